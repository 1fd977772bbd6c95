package multus

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/version"
)

// architectures that a kubelet can report: Go's for Linux.
var architectures = []string{
	"386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64", "s390x",
}

// Validate returns every problem of c at once, joined and sorted by field, or
// nil. Each is a *field.Error that errors.As finds, with the JSON path:
//
//	version: Unsupported value: "v5.0.0": supported values: "v4.0.0", ...
func (c Config) Validate() error {
	r, known := findRelease(c.Version)
	if !known {
		// Nothing that depends on the release can be judged; the rest can,
		// as for the default one.
		r, _ = findRelease(DefaultVersion)
	}
	var errs field.ErrorList
	if !known {
		errs = append(errs, field.NotSupported(field.NewPath("version"), c.Version, Versions()))
	}
	if c.Namespace != "" {
		for _, problem := range validation.IsDNS1123Label(c.Namespace) {
			errs = append(errs, field.Invalid(field.NewPath("namespace"), c.Namespace, problem))
		}
	}
	errs = append(errs, c.Platform.validate(field.NewPath("platform"))...)
	errs = append(errs, c.validateImages(r)...)
	errs = append(errs, c.validateResources(r)...)
	errs = append(errs, c.validatePlacement()...)
	errs = append(errs, c.Daemon.validate(r, c.Platform, field.NewPath("daemon"))...)
	errs = append(errs, c.ReferencePlugins.validate(field.NewPath("referencePlugins"))...)
	errs = append(errs, c.validateFixes()...)
	slices.SortFunc(errs, func(a, b *field.Error) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Error(), b.Error()))
	})
	joined := make([]error, len(errs))
	for i, err := range errs {
		joined[i] = err
	}
	return errors.Join(joined...)
}

func (p Platform) validate(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for key, value := range map[string]string{"talos": p.Talos, "kubernetes": p.Kubernetes} {
		if value == "" {
			continue
		}
		if _, err := version.ParseSemantic(value); err != nil {
			errs = append(errs, field.Invalid(at.Child(key), value, "must be a version such as v1.13.9"))
		}
	}
	if _, known := findPrimaryCNI(p.PrimaryCNI); p.PrimaryCNI != "" && !known && p.PrimaryCNIConfig == "" {
		errs = append(errs, field.Required(at.Child("primaryCNIConfig"), fmt.Sprintf("the conflist of %q is not known; name the file it writes into /etc/cni/net.d", p.PrimaryCNI)))
	}
	errs = append(errs, validateConflist(at.Child("primaryCNIConfig"), p.PrimaryCNIConfig)...)
	if v := p.PrimaryCNIVersion; v != "" {
		if _, err := version.ParseSemantic(v); err != nil {
			errs = append(errs, field.Invalid(at.Child("primaryCNIVersion"), v, "must be a CNI version such as 1.0.0"))
		}
	}
	for i, arch := range p.Architectures {
		if !slices.Contains(architectures, arch) {
			errs = append(errs, field.NotSupported(at.Child("architectures").Index(i), arch, architectures))
		}
	}
	return errs
}

// validateConflist looks at the file name of the primary CNI's configuration.
func validateConflist(at *field.Path, name string) field.ErrorList {
	known := slices.Contains([]string{".conf", ".conflist", ".json"}, path.Ext(name))
	if name == "" || known && name == path.Base(name) && !strings.HasPrefix(name, "00-multus") {
		return nil
	}
	return field.ErrorList{field.Invalid(at, name, "must be a file name such as 05-cilium.conflist, without a directory, and not one of Multus' own")}
}

// validateResources refuses what does not parse and what would be killed.
func (c Config) validateResources(r release) field.ErrorList {
	var errs field.ErrorList
	if slices.Contains(c.Skip, memoryFix.Name) {
		return nil // the manifest's own are in effect
	}
	at := field.NewPath("resources")
	errs = append(errs, c.Resources.Daemon.or(defaultResources.Daemon).validate(at.Child("daemon"))...)
	errs = append(errs, c.Resources.Init.or(defaultResources.Init).validate(at.Child("init"))...)
	if len(errs) > 0 {
		return errs
	}
	limit := resource.MustParse(c.Resources.Daemon.or(defaultResources.Daemon).LimitMemory)
	needed, why := int64(minimumMemory), "upstream's 50Mi and Talos' 150Mi were both killed when pods started in numbers"
	if connections := int64(c.Daemon.ConnectionLimit); r.connectionLimit() && connections > 0 {
		needed, why = daemonMemory+connections*delegateMemory, fmt.Sprintf("daemon.connectionLimit lets %d plugins of %d MiB run at once", connections, delegateMemory)
	}
	if limit.Value()>>20 < needed {
		errs = append(errs, field.Invalid(at.Child("daemon", "limitMemory"), limit.String(), fmt.Sprintf("must be at least %dMi: %s", needed, why)))
	}
	if init := resource.MustParse(c.Resources.Init.or(defaultResources.Init).LimitMemory); init.Value()>>20 < 15 {
		errs = append(errs, field.Invalid(at.Child("init", "limitMemory"), init.String(), "must be at least 15Mi, which upstream requests for copying the shim"))
	}
	return errs
}

func (r ContainerResources) validate(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	parse := func(key, value string) (resource.Quantity, bool) {
		if value == "" {
			return resource.Quantity{}, false
		}
		q, err := resource.ParseQuantity(value)
		if err != nil || q.Sign() < 0 {
			errs = append(errs, field.Invalid(at.Child(key), value, "must be a quantity such as 100m or 256Mi"))
			return resource.Quantity{}, false
		}
		return q, !q.IsZero()
	}
	pair := func(requestKey, request, limitKey, limit string) {
		requested, hasRequest := parse(requestKey, request)
		limited, hasLimit := parse(limitKey, limit)
		if hasRequest && hasLimit && requested.Cmp(limited) > 0 {
			errs = append(errs, field.Invalid(at.Child(requestKey), request, "must not be above "+limitKey+" "+limit))
		}
	}
	pair("requestCPU", r.RequestCPU, "limitCPU", r.LimitCPU)
	pair("requestMemory", r.RequestMemory, "limitMemory", r.LimitMemory)
	return errs
}

func (c Config) validatePlacement() field.ErrorList {
	errs := metav1validation.ValidateLabels(c.NodeSelector, field.NewPath("nodeSelector"))
	for i, t := range c.Tolerations {
		at := field.NewPath("tolerations").Index(i)
		switch {
		case t.Operator != "" && t.Operator != "Exists" && t.Operator != "Equal":
			errs = append(errs, field.NotSupported(at.Child("operator"), t.Operator, []string{"Equal", "Exists"}))
		case t.Operator == "Exists" && t.Value != "":
			errs = append(errs, field.Invalid(at.Child("value"), t.Value, "must be empty when operator is Exists"))
		case t.Key == "" && t.Operator != "Exists":
			errs = append(errs, field.Invalid(at.Child("operator"), t.Operator, "must be Exists when key is empty"))
		}
		if effects := []string{"NoExecute", "NoSchedule", "PreferNoSchedule"}; t.Effect != "" && !slices.Contains(effects, string(t.Effect)) {
			errs = append(errs, field.NotSupported(at.Child("effect"), t.Effect, effects))
		}
	}
	return errs
}

func (r ReferencePlugins) validate(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if r.Dir != "" && !path.IsAbs(r.Dir) {
		errs = append(errs, field.Invalid(at.Child("dir"), r.Dir, "must be an absolute path inside the image"))
	}
	for i, name := range r.Plugins {
		// The names end up in a shell's word list.
		if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
			errs = append(errs, field.Invalid(at.Child("plugins").Index(i), name, "must be the file name of a plugin such as host-device"))
		}
	}
	return errs
}

// validateFixes looks at Skip, at fields that a skipped fix would have used,
// and at Patches.
func (c Config) validateFixes() field.ErrorList {
	var errs field.ErrorList
	names := make([]string, 0, len(fixes))
	for _, f := range fixes {
		names = append(names, f.Name)
	}
	for i, name := range c.Skip {
		if !slices.Contains(names, name) {
			errs = append(errs, field.NotSupported(field.NewPath("skip").Index(i), name, names))
		}
	}
	unused := func(fix, key string, set bool) {
		if set && slices.Contains(c.Skip, fix) {
			errs = append(errs, field.Forbidden(field.NewPath(key), "has no effect while skip names "+fix))
		}
	}
	unused(imagePinFix.Name, "image", c.Image != "")
	unused(imagePinFix.Name, "pinDigest", c.PinDigest)
	unused(arm64Fix.Name, "archImages", len(c.ArchImages) > 0)
	unused(memoryFix.Name, "resources", c.Resources != Resources{})
	unused(referencePluginsFix.Name, "referencePlugins", !reflect.ValueOf(c.ReferencePlugins).IsZero())
	for i, patch := range c.Patches {
		at := field.NewPath("patches").Index(i)
		if patch.Name == "" {
			errs = append(errs, field.Required(at.Child("name"), "it is listed among the fixes"))
		}
		if patch.Apply == nil {
			errs = append(errs, field.Required(at.Child("apply"), "it makes the change"))
		}
	}
	return errs
}
