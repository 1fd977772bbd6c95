package talos

import (
	"bytes"
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/multihome/multihome"
)

const (
	// MaxSize is the size in bytes of the largest machine config that Talos'
	// API takes (siderolabs/talos constants.GRPCMaxMessageSize).
	MaxSize = 32 << 20
	// MaxMaintenanceSize is the size in bytes of the largest machine config
	// that a node in maintenance mode takes: the first one it is given
	// (siderolabs/omni #2744).
	MaxMaintenanceSize = 4 << 20
)

// SizeError says that a machine config, or a manifest for it, is too large.
type SizeError struct {
	// Size in bytes, and the Limit that it exceeds.
	Size, Limit int
}

// Error names both sizes.
func (e *SizeError) Error() string {
	return fmt.Sprintf("machine config: %d bytes are more than the %d MiB that Talos accepts; apply large manifests with a client instead", e.Size, e.Limit>>20)
}

// CheckSize returns a *SizeError if the machine config is larger than limit
// bytes, [MaxSize] or, for a node's first config, [MaxMaintenanceSize].
func CheckSize(machineConfig []byte, limit int) error {
	if len(machineConfig) > limit {
		return &SizeError{Size: len(machineConfig), Limit: limit}
	}
	return nil
}

// clusterScoped are the kinds of Multus' and Cilium's manifests, and their
// usual company, that have no namespace.
var clusterScoped = map[string]bool{
	"APIService": true, "ClusterRole": true, "ClusterRoleBinding": true, "CSIDriver": true, "CustomResourceDefinition": true,
	"IngressClass": true, "MutatingWebhookConfiguration": true, "Namespace": true, "Node": true, "PersistentVolume": true,
	"PriorityClass": true, "RuntimeClass": true, "StorageClass": true, "ValidatingAdmissionPolicy": true,
	"ValidatingAdmissionPolicyBinding": true, "ValidatingWebhookConfiguration": true,
}

// InlineManifestPatch returns the patch that makes Talos apply Kubernetes
// objects when it bootstraps a cluster: Multus is there before the first pod
// asks for a network. manifest is YAML as for kubectl apply, such as
// multus.Bundle prints it; name tells it from other manifests, and a manifest
// of that name is replaced.
//
// It belongs into the configs of all control planes, the same in each; Apply
// refuses a worker's. Talos creates what is missing and never changes what is
// there, neither at boot nor when the config changes. The one exception is
// talosctl upgrade-k8s: since Talos v1.13 it applies the manifests by
// server-side apply, takes over fields that others own and deletes objects
// that were in a manifest before and are not any more. So keep the manifest
// in step with the cluster: after an upgrade of Multus by multus.Installer,
// write the new bundle into the machine configs. The Installer takes such
// objects over if its conflict policy allows it to.
//
// A manifest above [MaxSize] is a *SizeError; one above [MaxMaintenanceSize] is
// a finding, since it cannot be in a node's first config. The objects must
// have apiVersion, kind and a name, and no namespace where their kind has none,
// over which Talos v1.13 stumbles (siderolabs/talos #13453).
func InlineManifestPatch(talosVersion, name string, manifest []byte) (Patch, error) {
	v, err := parseVersion(talosVersion)
	if err != nil {
		return Patch{}, err
	}
	if err := CheckSize(manifest, MaxSize); err != nil {
		return Patch{}, fmt.Errorf("manifest %s: %w", name, err)
	}
	var errs field.ErrorList
	for _, problem := range validation.IsDNS1123Subdomain(name) {
		errs = append(errs, field.Invalid(field.NewPath("name"), name, problem))
	}
	errs = append(errs, validateManifest(field.NewPath("manifest"), manifest)...)
	if len(errs) > 0 {
		return Patch{}, joinErrors(errs)
	}
	contents := string(bytes.TrimSpace(manifest)) + "\n"
	p := Patch{version: v}
	if v.kubernetesDocuments() {
		d := newDocument(kindInlineManifest, name)
		d.Manifest = contents
		p.documents = []document{d}
	} else {
		p.legacy.Cluster = &legacyCluster{InlineManifests: []inlineManifest{{Name: name, Contents: contents}}}
	}
	if len(manifest) > MaxMaintenanceSize {
		p.extra = append(p.extra, multihome.Finding{
			Code: "talos/manifest-size", Severity: multihome.SeverityWarning, Object: "manifest " + name,
			Message: fmt.Sprintf("%d bytes are more than a node takes in maintenance mode, so it cannot be in the first machine config", len(manifest)),
			Remedy:  "apply it after the bootstrap", Source: "siderolabs/omni #2744",
		})
	}
	return p.finish()
}

// hasManifests reports whether the patch carries inline manifests.
func (p Patch) hasManifests() bool {
	if p.legacy.Cluster != nil && len(p.legacy.Cluster.InlineManifests) > 0 {
		return true
	}
	for _, d := range p.documents {
		if d.Kind == kindInlineManifest {
			return true
		}
	}
	return false
}

// validateManifest looks at every object, which Talos does not.
func validateManifest(at *field.Path, manifest []byte) field.ErrorList {
	var errs field.ErrorList
	objects := 0
	for i, text := range split(manifest) {
		at := at.Index(i)
		var object struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string `yaml:"kind"`
			Metadata   struct {
				Name      string `yaml:"name"`
				Namespace string `yaml:"namespace"`
			} `yaml:"metadata"`
			Items []any `yaml:"items"`
		}
		node, err := readNode(text)
		if err == nil && node == nil {
			continue
		}
		if err == nil {
			err = node.Decode(&object)
		}
		objects++
		// Manifests hold secrets, too: no value is quoted.
		switch {
		case err != nil:
			errs = append(errs, field.Invalid(at, field.OmitValueType{}, "must be a Kubernetes object: "+redact(err, false).Error()))
		case object.APIVersion == "" || object.Kind == "":
			errs = append(errs, field.Required(at, "apiVersion and kind"))
		case object.Kind == "List":
			errs = append(errs, field.Forbidden(at.Child("kind"), "a List: Talos applies objects; separate them by ---"))
		case object.Metadata.Name == "":
			errs = append(errs, field.Required(at.Child("metadata", "name"), object.Kind+" needs a name"))
		case object.Metadata.Namespace != "" && clusterScoped[object.Kind]:
			errs = append(errs, field.Forbidden(at.Child("metadata", "namespace"), object.Kind+" "+object.Metadata.Name+" has no namespace"))
		}
	}
	if objects == 0 {
		errs = append(errs, field.Required(at, "at least one object"))
	}
	return errs
}
