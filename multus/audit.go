package multus

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
)

const (
	// EventScanned means: another page of pods was read; Done counts the pods.
	EventScanned EventType = "scanned"
	// EventLost means: a pod lacks a network; see Object and Finding.
	EventLost EventType = "lost"
	// EventEvicted means: Object was evicted, so that its controller makes
	// another one.
	EventEvicted EventType = "evicted"
	// EventKept means: Object was not evicted; Message says why.
	EventKept EventType = "kept"
)

// AuditOptions change one call of [Installer.Audit]. Zero looks at the pods of
// all namespaces and changes nothing.
type AuditOptions struct {
	// Namespaces to look at. Empty: all.
	Namespaces []string
	// Recreate evicts the lost pods that a controller owns and that would get
	// their networks if they started again. Evictions respect
	// PodDisruptionBudgets; a controller without one can lose all its lost
	// pods at once. Why a pod was kept is in LostPod.Kept. The client's scheme
	// must know policy/v1, as client-go's does.
	Recreate bool
	// Progress is called for every event, in order, from this goroutine. Nil:
	// no events.
	Progress func(Event)
}

// AuditReport is what [Installer.Audit] found.
type AuditReport struct {
	// Pods that lack a network, by namespace and name.
	Pods []LostPod `json:"pods,omitempty"`
	// Scanned pods were looked at; Asking of them ask for networks, run or are
	// to run, and are not in the node's network; Starting of those have not
	// got so far, and nothing says that the network keeps them.
	Scanned  int `json:"scanned"`
	Asking   int `json:"asking"`
	Starting int `json:"starting"`
	// Findings is what could not be read, of severity error where the audit
	// is incomplete for it, and, where pods are lost, what is wrong with
	// Multus itself.
	Findings []multihome.Finding `json:"findings,omitempty"`
}

// LostPod is a pod that asked for networks and does not have them.
type LostPod struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Node      string `json:"node,omitempty"`
	// Controller that owns the pod, "ReplicaSet web-5d9". Empty: none.
	Controller string `json:"controller,omitempty"`
	// Waiting: the pod cannot start for its networks. Otherwise it runs
	// without them.
	Waiting bool `json:"waiting,omitempty"`
	// Missing networks, as "namespace/name" or "namespace/name@interface", at
	// most 32. Empty where the annotations cannot be read.
	Missing []string `json:"missing,omitempty"`
	// Cause as far as it can be known; its code is "multus/unknown" where it
	// cannot. Object is what to mend: the pod, a node, a NAD.
	Cause multihome.Finding `json:"cause"`
	// Evicted: AuditOptions.Recreate evicted it.
	Evicted bool `json:"evicted,omitempty"`
	// Kept says why Recreate did not evict it.
	Kept string `json:"kept,omitempty"`
}

// String returns the pod on one line.
func (p LostPod) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s", p.Namespace, p.Name)
	if p.Node != "" {
		fmt.Fprintf(&b, " on node %s", p.Node)
	}
	if p.Waiting {
		b.WriteString(" waits for ")
	} else {
		b.WriteString(" lacks ")
	}
	b.WriteString(cmp.Or(strings.Join(p.Missing, ", "), "its networks"))
	switch {
	case p.Evicted:
		b.WriteString(" (evicted)")
	case p.Kept != "":
		fmt.Fprintf(&b, " (kept: %s)", p.Kept)
	}
	fmt.Fprintf(&b, ": %s", p.Cause)
	return b.String()
}

func (p LostPod) key() types.NamespacedName {
	return types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
}

// object is what an Event calls the pod.
func (p LostPod) object() string { return "Pod " + p.key().String() }

// Clean reports whether no pod is lost and all that it takes to say so could be
// read.
func (r *AuditReport) Clean() bool { return len(r.Pods) == 0 && len(blocking(r.Findings, nil)) == 0 }

// String returns a summary for a terminal: a line of figures, then one for
// each lost pod and each finding.
func (r *AuditReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d pods ask for networks: %d lost, %d starting\n", r.Asking, r.Scanned, len(r.Pods), r.Starting)
	for _, pod := range r.Pods {
		fmt.Fprintln(&b, pod)
	}
	for _, f := range r.Findings {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}

// Audit finds the pods that asked for networks, in the annotations networks and
// default-network, and have not got them, as network-status tells: those that
// run without, and those that cannot start for them. It says why as far as
// pods, NADs, events and Multus' own pods tell. Pods in the node's network,
// finished ones and those being deleted do not count, nor do pods that have no
// node yet. Two networks of one pod on one NAD without interface names are told
// apart by number alone.
//
// Requests: pods, 500 at a time, and no more while none lacks anything. Then
// the DaemonSets, Multus' pods, NADs and, if pods wait, their events, each in
// pages of 500; and what [Detect] reads, unless Config.Platform is given. What
// it may not read is a finding. With Recreate one eviction a pod. Of pods that
// are not lost nothing is kept in memory.
//
// The error names the request that failed and wraps its cause. Where that was
// an eviction, the report is returned beside it. [AuditorRBAC] tells what the
// client must be allowed.
func (i *Installer) Audit(ctx context.Context, options AuditOptions) (*AuditReport, error) {
	a := &auditor{client: i.client, config: i.config, emit: options.Progress, namespaces: slices.Sorted(slices.Values(options.Namespaces))}
	a.namespaces = slices.Compact(a.namespaces)
	if len(a.namespaces) == 0 {
		a.namespaces = []string{""}
	}
	if a.emit == nil {
		a.emit = func(Event) {}
	}
	if err := a.scanPods(ctx); err != nil {
		return nil, err
	}
	report := &AuditReport{Scanned: a.scanned, Asking: a.asking}
	if len(a.suspects) > 0 {
		for _, step := range []func(context.Context) error{a.lookAtMultus, a.lookAtNADs, a.lookAtEvents} {
			if err := step(ctx); err != nil {
				return nil, err
			}
		}
	}
	pods, uids := a.judge()
	report.Pods, report.Starting = pods, a.starting
	report.Findings = a.findings(len(pods) > 0)
	if options.Progress != nil { // the words of 100,000 events are many
		for n := range pods {
			cause := pods[n].Cause
			a.emit(Event{Type: EventLost, Object: pods[n].object(), Message: pods[n].String(), Finding: &cause})
		}
	}
	if options.Recreate {
		return report, a.recreate(ctx, pods, uids)
	}
	return report, nil
}

// auditor is one Audit under way.
type auditor struct {
	client     client.Client
	config     Config
	namespaces []string // "" is all
	emit       func(Event)

	scanned, asking, starting int
	suspects                  map[types.NamespacedName]*suspect
	names                     map[string]string // each string once that many pods share

	survey  survey
	multus  multusFacts
	nads    map[string]*multihome.Finding // by namespace/name; nil is a sound one
	sawNADs bool
}

// findings is what the report says beside the pods.
func (a *auditor) findings(lost bool) []multihome.Finding {
	out := slices.Clone(a.survey.unseen)
	if lost {
		out = append(out, installedFindings(a.multus.daemonSets, a.platform())...)
		out = append(out, a.survey.ciliumFindings()...)
	}
	return out
}

// platform is the one given, or the one that was detected.
func (a *auditor) platform() Platform {
	if a.config.Platform.IsZero() {
		return a.survey.platform()
	}
	return a.config.Platform
}

// once returns a string that is kept only once, whoever shares it.
func (a *auditor) once(s string) string {
	if kept, ok := a.names[s]; ok {
		return kept
	}
	a.names[s] = s
	return s
}
