package multihome

import "strings"

// Severity says how much a Finding matters. The zero value "" is not used by
// this library; treat it as SeverityInfo.
type Severity string

const (
	// SeverityError marks what does not work, or harms the cluster, if
	// nothing is done. Calls that change a cluster refuse while one stands.
	SeverityError Severity = "error"
	// SeverityWarning marks what is accepted and still likely to be wrong.
	SeverityWarning Severity = "warning"
	// SeverityInfo marks what is good to know and needs no action.
	SeverityInfo Severity = "info"
)

// Finding is one piece of advice. Every check of this library returns
// Findings; what stops a call is an error instead. Findings are plain values:
// compare them, store them in a status, print them.
type Finding struct {
	// Code names the rule, stable across releases, "area/rule":
	// "cilium/exclusive".
	Code string `json:"code"`
	// Severity is one of the Severity constants.
	Severity Severity `json:"severity"`
	// Object is what the finding is about: "DaemonSet kube-system/kube-multus-ds",
	// "Node worker-1". Empty where it is about the call's arguments.
	Object string `json:"object,omitempty"`
	// Path is the field inside Object or inside the arguments, written as in
	// JSON: "spec.template.spec.containers[0].image". Empty for the whole.
	Path string `json:"path,omitempty"`
	// Message says what is the case, in one sentence.
	Message string `json:"message"`
	// Remedy says what to do about it. Empty where nothing needs doing.
	Remedy string `json:"remedy,omitempty"`
	// Source says where the rule comes from: an issue, a file, a measurement.
	Source string `json:"source,omitempty"`
}

// String returns the finding on one line:
//
//	error cilium/exclusive: ConfigMap kube-system/cilium-config data.cni-exclusive: message; remedy
func (f Finding) String() string {
	var b strings.Builder
	severity := f.Severity
	if severity == "" {
		severity = SeverityInfo
	}
	b.WriteString(string(severity) + " " + f.Code + ": ")
	switch {
	case f.Object != "" && f.Path != "":
		b.WriteString(f.Object + " " + f.Path + ": ")
	case f.Object != "" || f.Path != "":
		b.WriteString(f.Object + f.Path + ": ")
	}
	b.WriteString(f.Message)
	if f.Remedy != "" {
		b.WriteString("; " + f.Remedy)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
