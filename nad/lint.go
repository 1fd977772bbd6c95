package nad

import (
	"strings"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/multihome/multihome"
)

// Lint says what is wrong with a NAD, errors first. An error is what a plugin,
// libcni or Multus refuses when a pod is to start: a pod on this network hangs.
// A warning is what they take and what is likely wrong: keys that they ignore,
// addresses that two pods get, a default route that takes a pod out of the
// cluster. At most 100 findings of a kind are reported.
//
// What needs more than the NAD is not here: see [LintCluster] and
// [CheckAttachment].
func Lint(def *netattdefv1.NetworkAttachmentDefinition) []multihome.Finding {
	if def == nil {
		return nil
	}
	r := readDefinition(def)
	out := &report{zeros: r.zeros, nulls: r.nulls}
	for _, err := range r.errs {
		out.fail(errorCode(r, err), err, "containernetworking/cni v1.3.1 libcni")
	}
	if !r.badSource && def.Spec.Config != "" {
		r.judge(out, configPath)
		r.lintKeys(out)
		r.lintNames(def, out)
	}
	if def.Spec.Config == "" {
		out.advise(multihome.Finding{
			Code: "nad/no-config", Severity: multihome.SeverityInfo, Path: configPath,
			Message: "is empty: Multus looks for a file with the network's name on each node",
			Remedy:  "make sure that every node has the file", Source: "Multi-Network specification 1.3, section 3.4.1",
		})
	}
	if len(out.found) == 0 {
		return nil
	}
	return out.findings(objectOf(def))
}

func errorCode(r *reading, err *field.Error) string {
	switch {
	case err.Type == field.ErrorTypeRequired || err.Type == field.ErrorTypeTooMany:
		return "plugins"
	case r.badSource && err.Type == field.ErrorTypeInvalid:
		return "json"
	}
	return "type"
}

// lintNames compares the names of the NAD and of its configuration.
func (r *reading) lintNames(def *netattdefv1.NetworkAttachmentDefinition, out *report) {
	const source = "Multi-Network specification 1.3, section 3.4"
	if r.ownName && r.network.Name != def.Name && def.Name != "" {
		out.warn(configPath+".name", "name-mismatch", "is not the name of the NAD: addresses are counted under one name and reported under the other", "set it to "+def.Name, source)
	}
	if strings.Contains(def.Name, ".") {
		out.warn("metadata.name", "name-dots", "has a dot: pods can ask for it in JSON only, not as namespace/name@interface", "use letters, digits and -", source)
	}
}
