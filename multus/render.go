package multus

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podSecurityLabel lets a namespace run what Multus needs.
const podSecurityLabel = "pod-security.kubernetes.io/enforce"

// daemonConfigKey is the file in the ConfigMap.
const daemonConfigKey = "daemon-config.json"

// Render returns the Multus that config asks for: the embedded manifest of its
// release with every fix that its Platform needs. It is a pure function.
//
// The error joins every problem of config, each a *field.Error
// (k8s.io/apimachinery/pkg/util/validation/field) with the path of the field;
// see [Config.Validate]. An error of a [Patch] is wrapped as it is.
func Render(config Config) (*Bundle, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	b, err := newBuild(config)
	if err != nil {
		return nil, err
	}
	config.DeepCopyInto(&b.bundle.Config)
	for _, f := range fixes {
		if f.applies(b) && !slices.Contains(config.Skip, f.Name) {
			f.apply(b)
			b.bundle.Fixes = append(b.bundle.Fixes, f.Fix)
		}
	}
	b.placePods()
	b.moveNamespace()
	if err := b.writeDaemonConfig(); err != nil {
		return nil, err
	}
	b.rewriteRegistry()
	b.bundle.Findings = b.findings()
	if err := b.applyPatches(); err != nil {
		return nil, err
	}
	if b.restartOnConfig {
		b.bundle.recordDaemonConfig()
	}
	return b.bundle, nil
}

// placePods decides on which nodes the pods run.
func (b *build) placePods() {
	for _, ds := range b.bundle.DaemonSets {
		spec := &ds.Spec.Template.Spec
		if len(b.config.Tolerations) > 0 {
			spec.Tolerations = cloneEach(b.config.Tolerations, func(t *corev1.Toleration) corev1.Toleration { return *t.DeepCopy() })
		}
		for key, value := range b.config.NodeSelector {
			if spec.NodeSelector == nil {
				spec.NodeSelector = map[string]string{}
			}
			spec.NodeSelector[key] = value
		}
	}
}

// moveNamespace puts everything into the wanted namespace, with whatever
// refers to it.
func (b *build) moveNamespace() {
	namespace := b.config.Namespace
	if namespace == DefaultNamespace {
		return
	}
	b.bundle.Namespace = &corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{podSecurityLabel: "privileged"}},
	}
	b.bundle.ServiceAccount.Namespace = namespace
	b.bundle.ConfigMap.Namespace = namespace
	for _, ds := range b.bundle.DaemonSets {
		ds.Namespace = namespace
	}
	for i := range b.bundle.ClusterRoleBinding.Subjects {
		b.bundle.ClusterRoleBinding.Subjects[i].Namespace = namespace
	}
	// Multus looks NADs of its own configuration up in kube-system otherwise.
	b.daemon["multusNamespace"] = namespace
}

// writeDaemonConfig lays the caller's keys over those of upstream and the
// fixes. A configuration that nobody changed stays as upstream wrote it.
func (b *build) writeDaemonConfig() error {
	if err := b.config.Daemon.mergeInto(b.daemon); err != nil {
		return err
	}
	if reflect.DeepEqual(b.daemon, b.upstream.daemon) {
		return nil
	}
	text, err := json.MarshalIndent(b.daemon, "", "    ")
	if err != nil {
		return fmt.Errorf("ConfigMap %s data[%s]: %w", b.bundle.ConfigMap.Name, daemonConfigKey, err)
	}
	b.bundle.ConfigMap.Data[daemonConfigKey] = string(text) + "\n"
	return nil
}

// rewriteRegistry points every image at the mirror.
func (b *build) rewriteRegistry() {
	if b.config.Registry == "" {
		return
	}
	for c := range b.bundle.containers() {
		c.Image = mirrored(c.Image, b.config.Registry)
	}
}

// applyPatches runs the caller's patches and refuses what they must not do.
func (b *build) applyPatches() error {
	if len(b.config.Patches) == 0 {
		return nil
	}
	for _, patch := range b.config.Patches {
		if err := patch.Apply(b.bundle); err != nil {
			return fmt.Errorf("patch %q: %w", patch.Name, err)
		}
		b.bundle.Fixes = append(b.bundle.Fixes, Fix{Name: patch.Name, Reason: patch.Reason})
	}
	return b.bundle.check()
}

// check looks at a Bundle that patches may have changed.
func (b *Bundle) check() error {
	if b.CRD == nil || b.ServiceAccount == nil || b.ClusterRole == nil || b.ClusterRoleBinding == nil || b.ConfigMap == nil || len(b.DaemonSets) == 0 {
		return errors.New("patches took away an object that Multus needs; leave it in the bundle and change its fields")
	}
	var problems []error
	if !json.Valid([]byte(b.ConfigMap.Data[daemonConfigKey])) {
		problems = append(problems, fmt.Errorf("ConfigMap %s/%s: data[%s] is not JSON; the daemon exits without a word", b.ConfigMap.Namespace, b.ConfigMap.Name, daemonConfigKey))
	}
	for _, ds := range b.DaemonSets {
		if ds == nil {
			return errors.New("patches set a DaemonSet of the bundle to nil; remove it from the slice instead")
		}
		spec := &ds.Spec.Template.Spec
		daemon := container(spec.Containers, "kube-multus").Image
		shim := container(spec.InitContainers, "install-multus-binary").Image
		if daemon != shim {
			problems = append(problems, fmt.Errorf(
				"DaemonSet %s/%s: container kube-multus runs %q and init container install-multus-binary runs %q; give both one image, a shim and a daemon of different releases stop every new pod of a node",
				ds.Namespace, ds.Name, daemon, shim))
		}
	}
	return errors.Join(problems...)
}

func setAnnotation(meta *metav1.ObjectMeta, key, value string) {
	if meta.Annotations == nil {
		meta.Annotations = map[string]string{}
	}
	meta.Annotations[key] = value
}
