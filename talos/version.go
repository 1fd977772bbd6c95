package talos

import (
	"fmt"

	"github.com/siderolabs/talos/pkg/machinery/config"
)

// Form says which of Talos' two ways to write network configuration a patch
// uses. Both mean the same to a node; see the package documentation for the
// one difference that matters.
type Form string

const (
	// FormAuto is documents where the version knows them, else legacy. It is
	// the zero value.
	FormAuto Form = ""
	// FormLegacy is machine.network.interfaces, which every version accepts.
	// Talos calls it deprecated since v1.12.
	FormLegacy Form = "legacy"
	// FormDocuments is one document per link (BridgeConfig, BondConfig, ...),
	// since v1.12.
	FormDocuments Form = "documents"
)

// NotSupportedError says that a Talos version lacks what was asked for.
// errors.As finds it in what every function of this package returns.
type NotSupportedError struct {
	// Field is the path of the field that asks for the feature. Empty where
	// it is the version itself.
	Field string
	// Feature names what is not there.
	Feature string
	// Version is the version that was asked.
	Version string
	// Minimum is the first version that has the feature. Empty where none has.
	Minimum string
}

// Error names the feature, the version and the way out.
func (e *NotSupportedError) Error() string {
	text := e.Feature + " is not supported by Talos " + e.Version
	if e.Minimum != "" {
		text += ", it needs at least " + e.Minimum
	}
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	return text
}

// version is a parsed Talos version. The predicates below are the only places
// that know what changed in which release.
type version struct {
	text     string
	contract *config.VersionContract
}

// parseVersion reads "v1.13.9", "1.13.9" and "v1.13".
func parseVersion(text string) (version, error) {
	contract, err := config.ParseContractFromVersion(text)
	if err != nil {
		return version{}, fmt.Errorf("talos version %q: must be a version such as v1.13.9", text)
	}
	v := version{text, contract}
	if !v.after(6) {
		return version{}, &NotSupportedError{Feature: "patching", Version: text, Minimum: "v1.7"}
	}
	return v, nil
}

// after reports whether v is later than Talos 1.minor.
func (v version) after(minor int) bool {
	return v.contract.Greater(&config.VersionContract{Major: 1, Minor: minor})
}

// documents: one document per link since v1.12
// (siderolabs/talos VersionContract.MultidocNetworkConfigSupported).
func (v version) documents() bool { return v.after(11) }

// kubernetesDocuments: CNI, kube-proxy and manifests are documents since v1.14
// (siderolabs/talos VersionContract.MultidocKubernetesConfigSupported).
func (v version) kubernetesDocuments() bool { return v.after(13) }

// newerThanMachinery: the machinery that go.mod names is that of v1.13.
func (v version) newerThanMachinery() bool { return v.after(13) }

// vlanFiltering of a bridge in the legacy form since v1.8
// (siderolabs/talos #8941).
func (v version) vlanFiltering() bool { return v.after(7) }

// bridgePort: a port of a bridge found by a device selector, and the selector
// permanentAddr, since v1.9 (siderolabs/talos #8020, #9747).
func (v version) bridgePort() bool { return v.after(8) }

// form resolves the form that the caller asks for.
func (v version) form(asked Form) (Form, error) {
	switch asked {
	case FormAuto:
		if v.documents() {
			return FormDocuments, nil
		}
		return FormLegacy, nil
	case FormLegacy:
		return FormLegacy, nil
	case FormDocuments:
		if v.documents() {
			return FormDocuments, nil
		}
		return "", &NotSupportedError{Field: "form", Feature: "network configuration as documents", Version: v.text, Minimum: "v1.12"}
	default:
		return "", fmt.Errorf("form: unsupported value %q: supported values: %q, %q", asked, FormLegacy, FormDocuments)
	}
}
