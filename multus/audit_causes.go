package multus

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/live"
	"github.com/multihome/multihome/nad"
)

// settling is how long before Multus' pod is there, and after its container
// has started, 00-multus.conf can be missing: the old pod removes it when it is
// told to stop, and the new one writes it once it answers.
const settling = time.Minute

// multusFacts is what Multus' DaemonSets and their pods tell.
type multusFacts struct {
	daemonSets map[string]*appsv1.DaemonSet
	installed  time.Time             // the oldest DaemonSet, zero if not known
	nodes      map[string]daemonNode // by node
	sawPods    bool
}

// daemonNode is Multus on one node.
type daemonNode struct {
	// gone is since when Multus was away before it started: the end of its
	// container, or the creation of its pod.
	gone, started time.Time
	oom, ready    bool
	problem       *multihome.Finding
}

// lookAtMultus reads where Multus runs, and since when.
func (a *auditor) lookAtMultus(ctx context.Context) error {
	unseen := a.survey.unseen
	var err error
	if a.config.Platform.IsZero() {
		a.survey, err = look(ctx, a.client)
	} else if a.survey, err = lookAtDaemonSets(ctx, a.client); err == nil {
		err = a.survey.lookAtCilium(ctx, a.client)
	}
	a.survey.unseen = append(unseen, a.survey.unseen...)
	if err != nil {
		return err
	}
	a.multus = multusFacts{daemonSets: map[string]*appsv1.DaemonSet{}, nodes: map[string]daemonNode{}, sawPods: true}
	for _, object := range a.survey.multuses {
		ds, err := convert[appsv1.DaemonSet](object)
		if err != nil || !isMultus(ds) { // lookAtDaemonSets has converted it before
			continue
		}
		a.multus.daemonSets[ds.Namespace+"/"+ds.Name] = ds
		if created := ds.CreationTimestamp.Time; a.multus.installed.IsZero() || created.Before(a.multus.installed) {
			a.multus.installed = created
		}
		labels := client.MatchingLabels{}
		if ds.Spec.Selector != nil {
			labels = ds.Spec.Selector.MatchLabels
		}
		if err := a.lookAtDaemons(ctx, ds.Namespace, labels); err != nil {
			return err
		}
	}
	if !a.survey.sawDaemonSets {
		return a.lookAtDaemons(ctx, a.config.namespace(), multusLabels)
	}
	return nil
}

func (a *auditor) lookAtDaemons(ctx context.Context, namespace string, labels client.MatchingLabels) error {
	err := live.EachPage(ctx, a.client, live.List("v1", "Pod"), func(object *unstructured.Unstructured) error {
		pod, err := convert[corev1.Pod](object)
		if err != nil {
			return err
		}
		if pod.Spec.NodeName != "" && pod.DeletionTimestamp == nil {
			known, exists := a.multus.nodes[pod.Spec.NodeName]
			if found := daemonOf(pod); !exists || found.started.After(known.started) {
				a.multus.nodes[pod.Spec.NodeName] = found
			}
		}
		return nil
	}, client.InNamespace(namespace), labels)
	a.multus.sawPods = a.multus.sawPods && err == nil
	return a.unseen(err, multihome.SeverityWarning, "pods of Multus", namespace, "whether Multus was away when a pod started")
}

// daemonOf reads a pod of Multus.
func daemonOf(pod *corev1.Pod) daemonNode {
	out := daemonNode{gone: pod.CreationTimestamp.Time, ready: ready(pod)}
	for _, status := range pod.Status.ContainerStatuses {
		if running := status.State.Running; running != nil && running.StartedAt.After(out.started) {
			out.started = running.StartedAt.Time
		}
		ended := cmp.Or(status.State.Terminated, status.LastTerminationState.Terminated)
		if ended != nil && ended.FinishedAt.After(out.gone) {
			out.gone = ended.FinishedAt.Time
			out.oom = ended.Reason == "OOMKilled"
		}
	}
	if problem, found := explain(pod); found {
		out.problem = &problem
	}
	return out
}

// lookAtNADs reads which of the missing networks there are, and whether they
// can work at all.
func (a *auditor) lookAtNADs(ctx context.Context) error {
	wanted := map[string]bool{}
	for _, s := range a.suspects {
		for _, network := range s.missing {
			wanted[nadOf(network)] = true
		}
	}
	a.nads = map[string]*multihome.Finding{}
	err := live.EachPage(ctx, a.client, live.List("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition"), func(object *unstructured.Unstructured) error {
		key := types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}.String()
		if !wanted[key] {
			return nil
		}
		def, err := convert[netattdefv1.NetworkAttachmentDefinition](object)
		if err == nil {
			a.nads[key] = brokenNAD(def)
		}
		return err
	})
	if meta.IsNoMatchError(err) { // then there is none
		a.sawNADs = true
		return nil
	}
	a.sawNADs = err == nil
	return a.unseen(err, multihome.SeverityWarning, "network-attachment-definitions.k8s.cni.cncf.io", "", "whether networks exist")
}

// brokenNAD returns the first of what lets every pod on a network fail.
func brokenNAD(def *netattdefv1.NetworkAttachmentDefinition) *multihome.Finding {
	findings := nad.Lint(def)
	broken := slices.IndexFunc(findings, func(f multihome.Finding) bool { return f.Severity == multihome.SeverityError })
	if broken < 0 {
		return nil
	}
	f := findings[broken]
	f.Remedy = cmp.Or(f.Remedy, "correct the NAD, best with package nad; nad.Lint says all that is wrong with it")
	f.Source = cmp.Or(f.Source, "package nad")
	return &f
}

// lookAtEvents reads why the waiting pods do not start. Of each pod the latest
// event counts.
func (a *auditor) lookAtEvents(ctx context.Context) error {
	waiting := false
	for _, s := range a.suspects {
		waiting = waiting || s.waiting
	}
	if !waiting {
		return nil
	}
	for _, namespace := range a.namespaces {
		err := live.EachPage(ctx, a.client, live.List("v1", "Event"), func(object *unstructured.Unstructured) error {
			a.takeEvent(object)
			return nil
		}, client.InNamespace(namespace), client.MatchingFields{"involvedObject.kind": "Pod", "reason": "FailedCreatePodSandBox"})
		if err := a.unseen(err, multihome.SeverityWarning, "events", namespace, "what keeps pods from starting"); err != nil {
			return err
		}
	}
	return nil
}

func (a *auditor) takeEvent(event *unstructured.Unstructured) {
	field := func(path ...string) string {
		text, _, _ := unstructured.NestedString(event.Object, path...)
		return text
	}
	s := a.suspects[types.NamespacedName{Namespace: field("involvedObject", "namespace"), Name: field("involvedObject", "name")}]
	if uid := field("involvedObject", "uid"); s == nil || !s.waiting || uid != "" && s.uid != "" && types.UID(uid) != s.uid {
		return
	}
	last := event.GetCreationTimestamp().Time
	for _, text := range []string{field("eventTime"), field("lastTimestamp"), field("series", "lastObservedTime")} {
		if at, err := time.Parse(time.RFC3339, text); err == nil && at.After(last) {
			last = at
		}
	}
	if s.event != nil && !last.After(s.eventTime) {
		return
	}
	if f, ok := explainSandbox(field("message")); ok {
		f.Object = s.object()
		s.event, s.eventTime = &f, last
	}
}

// explainSandbox explains why a sandbox was not made, if that was for the
// network.
func explainSandbox(message string) (multihome.Finding, bool) {
	// The words of containerd, of CRI-O and of older runtimes.
	if !slices.ContainsFunc([]string{"network for sandbox", "pod network sandbox", "network for pod"}, func(sign string) bool { return strings.Contains(message, sign) }) {
		return multihome.Finding{}, false
	}
	if f, ok := Explain(message); ok {
		return f, true
	}
	_, said, found := strings.Cut(message, "error adding container to network ")
	if !found {
		said = message
	}
	return knownTrouble("multus/unknown", said), true
}

// judge names the cause for each suspect and returns those that are lost, by
// namespace and name, with the UID of each. The suspects are used up: of very
// many, memory holds one or the other.
func (a *auditor) judge() (pods []LostPod, uids []types.UID) {
	suspects := slices.SortedFunc(maps.Values(a.suspects), func(s, other *suspect) int {
		return cmp.Or(cmp.Compare(s.key.Namespace, other.key.Namespace), cmp.Compare(s.key.Name, other.key.Name))
	})
	a.suspects = nil
	pods, uids = slices.Grow(pods, len(suspects)), slices.Grow(uids, len(suspects))
	for n, s := range suspects {
		suspects[n] = nil
		cause, isLost := a.causeOf(s)
		if !isLost {
			a.starting++
			continue
		}
		uids = append(uids, s.uid)
		pods = append(pods, LostPod{
			Namespace: s.key.Namespace, Name: s.key.Name, Node: s.node, Controller: s.controller,
			Waiting: s.waiting, Missing: s.missing, Cause: cause,
		})
	}
	return pods, uids
}

// causeOf also reports whether the pod is lost at all.
func (a *auditor) causeOf(s *suspect) (cause multihome.Finding, isLost bool) {
	switch {
	case s.cause != nil:
		return *s.cause, true
	case s.waiting:
		return a.judgeWaiting(s)
	default:
		return a.judgeRunning(s), true
	}
}

// daemonCodes are of messages that only say that the daemon did not answer;
// its own pod tells why.
var daemonCodes = []string{"multus/daemon-ended", "multus/daemon-down", "multus/daemon-timeout", "multus/plugin-killed"}

// judgeWaiting says why a pod waits, and reports whether it does so for its
// networks: something must say so.
func (a *auditor) judgeWaiting(s *suspect) (cause multihome.Finding, isLost bool) {
	daemon := a.multus.nodes[s.node]
	blameDaemon := s.event == nil || slices.Contains(daemonCodes, s.event.Code)
	broken := a.brokenNADs(s.key, s.missing)
	switch {
	case blameDaemon && daemon.problem != nil:
		return *daemon.problem, true
	case blameDaemon && daemon.oom && s.event != nil:
		return onNode(s.node, s.trouble("multus/oom")), true
	case s.event != nil && (s.event.Code != "multus/unknown" || broken == nil):
		return *s.event, true
	case broken != nil:
		return *broken, true
	}
	return multihome.Finding{}, false
}

// onNode returns a finding about the node and not about the pod.
func onNode(node string, f multihome.Finding) multihome.Finding {
	f.Object = "Node " + node
	return f
}

// brokenNADs returns what is wrong with the first of the networks that a pod
// lacks, or nil.
func (a *auditor) brokenNADs(pod types.NamespacedName, missing []string) *multihome.Finding {
	if !a.sawNADs {
		return nil
	}
	for _, network := range missing {
		key := nadOf(network)
		broken, exists := a.nads[key]
		if !exists {
			namespace, name, _ := strings.Cut(key, "/")
			f := knownTrouble("network/nad-missing", name, namespace)
			f.Object = "Pod " + pod.String()
			return &f
		}
		if broken != nil {
			return broken
		}
	}
	return nil
}

// judgeRunning says why a pod runs without its networks. Multus lets a pod fail
// if one of its networks does, so that it cannot have been asked for this one.
func (a *auditor) judgeRunning(s *suspect) multihome.Finding {
	daemon, runs := a.multus.nodes[s.node]
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch {
	case s.some:
		return s.trouble("multus/changed-later")
	case a.survey.sawDaemonSets && len(a.multus.daemonSets) == 0:
		return s.trouble("multus/not-installed")
	case a.survey.sawDaemonSets && s.started.Before(a.multus.installed):
		return s.trouble("multus/installed-later", at(s.started), at(a.multus.installed))
	case !a.multus.sawPods:
		return s.trouble("multus/unknown", "Multus' pods may not be listed")
	case !runs:
		return onNode(s.node, s.trouble("multus/not-on-node"))
	case daemon.started.IsZero() && daemon.problem != nil:
		return *daemon.problem
	case daemon.started.IsZero():
		return s.trouble("multus/unknown", "Multus is starting on the node")
	case s.started.Before(daemon.gone.Add(-settling)):
		return s.trouble("multus/unknown", fmt.Sprintf("the pod started at %s, and Multus' pod tells of no time before %s", at(s.started), at(daemon.gone)))
	case s.started.After(daemon.started.Add(settling)):
		return s.trouble("multus/bypassed", at(daemon.started), at(s.started))
	case daemon.oom:
		return onNode(s.node, s.trouble("multus/oom"))
	default:
		return s.trouble("multus/away", at(s.started), at(daemon.started))
	}
}
