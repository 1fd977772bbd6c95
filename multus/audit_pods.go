package multus

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/live"
	"github.com/multihome/multihome/nad"
)

// mostMissing bounds what one pod's annotation adds to a report.
const mostMissing = 32

// suspect is a pod that may be lost, until all is read that can tell. There can
// be very many, so it holds no more than that takes.
type suspect struct {
	key              types.NamespacedName
	node, controller string
	uid              types.UID
	started          time.Time
	// waiting and missing are those of LostPod.
	waiting bool
	missing []string
	// some: Multus did set it up, and not all of it.
	some bool
	// cause, where the pod itself tells it.
	cause *multihome.Finding
	// event that the kubelet reported last, and when.
	event     *multihome.Finding
	eventTime time.Time
}

// object is what a Finding calls the pod.
func (s *suspect) object() string { return "Pod " + s.key.String() }

// trouble is a cause about the pod itself.
func (s *suspect) trouble(code string, quotes ...string) multihome.Finding {
	f := knownTrouble(code, quotes...)
	f.Object = s.object()
	return f
}

// nadOf returns the NAD of a missing network, as namespace/name.
func nadOf(missing string) string {
	key, _, _ := strings.Cut(missing, "@")
	return key
}

// pager tells when a list begins, which it does again when it expires.
type pager struct {
	client.Reader
	begin func()
}

// List implements client.Reader.
func (p pager) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if (&client.ListOptions{}).ApplyOptions(options).Continue == "" {
		p.begin()
	}
	return p.Reader.List(ctx, list, options...)
}

// podScan is what one list of pods tells.
type podScan struct {
	auditor         *auditor
	scanned, asking int
	suspects        map[types.NamespacedName]*suspect
}

// scanPods finds the suspects.
func (a *auditor) scanPods(ctx context.Context) error {
	a.names, a.suspects = map[string]string{}, map[types.NamespacedName]*suspect{}
	for _, namespace := range a.namespaces {
		scan := &podScan{auditor: a}
		pages := pager{Reader: a.client, begin: func() {
			if scan.scanned > 0 {
				a.emit(Event{Type: EventScanned, Done: a.scanned, Message: "the list of pods expired and begins again"})
			}
			scan.scanned, scan.asking, scan.suspects = 0, 0, map[types.NamespacedName]*suspect{}
		}}
		seen := 0
		err := live.EachPage(ctx, pages, live.List("v1", "Pod"), func(object *unstructured.Unstructured) error {
			scan.take(object)
			if seen = a.scanned + scan.scanned; seen%live.PageSize == 0 {
				a.emit(Event{Type: EventScanned, Done: seen, Message: fmt.Sprintf("%d pods were read", seen)})
			}
			return nil
		}, client.InNamespace(namespace))
		if err := a.unseen(err, multihome.SeverityError, "pods", namespace, "their networks"); err != nil {
			return err
		}
		a.scanned += scan.scanned
		a.asking += scan.asking
		maps.Copy(a.suspects, scan.suspects)
	}
	return nil
}

// unseen turns a missing permission to list into a finding.
func (a *auditor) unseen(err error, severity multihome.Severity, what, namespace, tells string) error {
	where := " in namespace " + namespace
	if namespace == "" {
		where = " in all namespaces"
	}
	before := len(a.survey.unseen)
	err = a.survey.excuse(err, "list", what+where, tells)
	for n := before; n < len(a.survey.unseen); n++ {
		a.survey.unseen[n].Severity = severity
	}
	return err
}

// take looks at a pod. It reads fields, as a typed conversion of 100,000 pods
// costs more than all the rest.
func (p *podScan) take(pod *unstructured.Unstructured) {
	p.scanned++
	annotations, _, _ := unstructured.NestedFieldNoCopy(pod.Object, "metadata", "annotations")
	asked, _ := annotations.(map[string]any)
	if asked[netattdefv1.NetworkAttachmentAnnot] == nil && asked[nad.DefaultNetworkAnnotation] == nil {
		return
	}
	node, _, _ := unstructured.NestedString(pod.Object, "spec", "nodeName")
	phase, _, _ := unstructured.NestedString(pod.Object, "status", "phase")
	hostNetwork, _, _ := unstructured.NestedBool(pod.Object, "spec", "hostNetwork")
	waiting := phase == string(corev1.PodPending)
	if node == "" || hostNetwork || pod.GetDeletionTimestamp() != nil || !waiting && phase != string(corev1.PodRunning) {
		return
	}
	s := &suspect{key: types.NamespacedName{Namespace: p.auditor.once(pod.GetNamespace()), Name: pod.GetName()}, node: p.auditor.once(node)}
	s.uid, s.started = pod.GetUID(), startOfPod(pod)
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		s.controller = p.auditor.once(owner.Kind + " " + owner.Name)
	}
	if p.compare(s, pod, waiting) {
		p.suspects[s.key] = s
	}
}

// startOfPod is when the kubelet took the pod on, or when it was created.
func startOfPod(pod *unstructured.Unstructured) time.Time {
	text, _, _ := unstructured.NestedString(pod.Object, "status", "startTime")
	if started, err := time.Parse(time.RFC3339, text); err == nil {
		return started
	}
	return pod.GetCreationTimestamp().Time
}

// compare holds what the pod got against what it asks for, and reports whether
// it is to be suspected.
func (p *podScan) compare(s *suspect, pod *unstructured.Unstructured, waiting bool) bool {
	wanted, err := wantedNetworks(pod, p.auditor.config.Daemon.MultusNamespace)
	if err == nil && len(wanted) == 0 {
		return false
	}
	p.asking++
	blame := func(code string, quotes ...string) {
		cause := s.trouble(code, quotes...)
		s.cause = &cause
	}
	if err != nil {
		s.waiting = waiting
		blame("network/annotation-invalid", strings.TrimPrefix(err.Error(), s.object()+": "))
		return true
	}
	got, err := nad.Status(pod)
	s.some = len(got) > 0
	s.waiting = waiting && !s.some
	missing := missingNetworks(wanted, got)
	switch stale := staleStatus(got, addressesOf(pod)); {
	case err != nil:
		blame("network/status-invalid", strings.TrimPrefix(err.Error(), s.object()+": "))
	case stale != nil:
		blame("multus/stale-status", stale...)
		missing = wanted
	case len(missing) == 0:
		return false
	}
	missing = missing[:min(len(missing), mostMissing)]
	s.missing = make([]string, len(missing))
	for n, w := range missing {
		s.missing[n] = p.auditor.once(w.String())
	}
	return true
}

// wantedNetwork is one interface that a pod asks for.
type wantedNetwork struct {
	key   types.NamespacedName
	iface string
}

func (w wantedNetwork) String() string {
	if w.iface == "" {
		return w.key.String()
	}
	return w.key.String() + "@" + w.iface
}

// wantedNetworks reads both annotations of a pod.
func wantedNetworks(pod *unstructured.Unstructured, multusNamespace string) ([]wantedNetwork, error) {
	if multusNamespace == "" {
		multusNamespace = DefaultNamespace
	}
	var out []wantedNetwork
	first, err := nad.DefaultNetwork(pod)
	if err != nil {
		return nil, err
	}
	if first != nil {
		out = append(out, wantedNetwork{key: first.Key(multusNamespace)})
	}
	others, err := nad.Attachments(pod)
	for _, other := range others {
		out = append(out, wantedNetwork{key: other.Key(pod.GetNamespace()), iface: other.Interface})
	}
	return out, err
}

// missingNetworks returns those that are not among the interfaces that the pod
// got. Interfaces with names are looked for first, so that one without takes
// none from them. A device that became no interface has a status without one.
func missingNetworks(wanted []wantedNetwork, got []netattdefv1.NetworkStatus) []wantedNetwork {
	left, named := map[string]int{}, map[string]int{}
	for _, status := range got {
		left[status.Name]++
		named[status.Name+"@"+status.Interface]++
	}
	take := func(w wantedNetwork, iface string) bool {
		key := w.key.String() + "@" + iface
		if named[key] == 0 {
			return false
		}
		named[key]--
		left[w.key.String()]--
		return true
	}
	missing := make([]bool, len(wanted))
	for n, w := range wanted {
		missing[n] = w.iface != "" && !take(w, w.iface) && !take(w, "")
	}
	for n, w := range wanted {
		if w.iface == "" {
			missing[n] = left[w.key.String()] <= 0
			left[w.key.String()]--
		}
	}
	var out []wantedNetwork
	for n, w := range wanted {
		if missing[n] {
			out = append(out, w)
		}
	}
	return out
}

// addressesOf are the addresses that the kubelet reports of a pod.
func addressesOf(pod *unstructured.Unstructured) []string {
	first, _, _ := unstructured.NestedString(pod.Object, "status", "podIP")
	out := []string{first}
	value, _, _ := unstructured.NestedFieldNoCopy(pod.Object, "status", "podIPs")
	items, _ := value.([]any)
	for _, item := range items {
		if entry, _ := item.(map[string]any); entry != nil {
			ip, _ := entry["ip"].(string)
			out = append(out, ip)
		}
	}
	return out
}

// staleStatus compares the addresses in network-status with those that the
// pod has. If none is the same, the status is of another sandbox; both are
// returned.
func staleStatus(got []netattdefv1.NetworkStatus, addresses []string) []string {
	var noted []netip.Addr
	for _, status := range got {
		for _, ip := range status.IPs {
			if addr, err := netip.ParseAddr(ip); err == nil {
				noted = append(noted, addr.Unmap())
			}
		}
	}
	var has []string
	for _, ip := range addresses {
		addr, err := netip.ParseAddr(ip)
		if err != nil {
			continue
		}
		if slices.Contains(noted, addr.Unmap()) {
			return nil
		}
		if !slices.Contains(has, ip) {
			has = append(has, ip)
		}
	}
	if len(noted) == 0 || len(has) == 0 {
		return nil
	}
	words := make([]string, 0, len(noted))
	for _, addr := range noted[:min(len(noted), 4)] {
		words = append(words, addr.String())
	}
	return []string{strings.Join(words, ", "), strings.Join(has, ", ")}
}
