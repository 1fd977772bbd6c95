package multus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// start creates a pod of ReplicaSet web that asks for networks.
func start(t testing.TB, cluster *multustest.Cluster, name, networks string) {
	pod := aPod(name, networksOf(networks))
	pod.TypeMeta, pod.UID, pod.CreationTimestamp, pod.Status, pod.Spec.NodeName = metav1.TypeMeta{}, "", metav1.Time{}, corev1.PodStatus{}, ""
	if err := cluster.Client().Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
}

// shop is a cluster with Multus, namespace shop and its network lan.
func shop(t testing.TB) (*multustest.Cluster, *multus.Installer) {
	cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
	install(t, cluster, onFlannel, multus.InstallOptions{})
	create(t, cluster, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, networkNAD("lan", `{"cniVersion":"1.0.0","type":"macvlan"}`))
	cluster.ResetRequests()
	return cluster, newInstaller(t, cluster.Client(), onFlannel)
}

// without removes Multus' DaemonSet, and with it its pods.
func without(t testing.TB, cluster *multustest.Cluster) {
	if err := cluster.Client().Delete(t.Context(), theDaemonSet()); err != nil {
		t.Fatal(err)
	}
}

// lateAndWaiting is a shop with two lost pods: one started while there was no
// Multus, one waits for a network that does not exist. It needs a bubble.
func lateAndWaiting(t testing.TB, config multus.Config) (*multustest.Cluster, *multus.Installer) {
	cluster, _ := shop(t)
	without(t, cluster)
	time.Sleep(time.Hour)
	start(t, cluster, "late", "lan")
	time.Sleep(time.Hour)
	install(t, cluster, onFlannel, multus.InstallOptions{})
	start(t, cluster, "waits", "wan")
	cluster.ResetRequests()
	return cluster, newInstaller(t, cluster.Client(), config)
}

// causes lists what is lost, and why.
func causes(report *multus.AuditReport) []string {
	var out []string
	for _, pod := range report.Pods {
		out = append(out, pod.Name+" "+pod.Cause.Code)
	}
	return out
}

// TestAuditOverTime: a pod that starts between two installations is lost, is
// found, and is recreated.
func TestAuditOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, installer := shop(t)
		start(t, cluster, "early", "lan")
		if report := auditOf(t, installer, multus.AuditOptions{}); !report.Clean() || report.Asking != 1 || report.Scanned < 4 {
			t.Errorf("%s, want none lost of one", report)
		}
		time.Sleep(time.Hour)
		without(t, cluster)
		start(t, cluster, "late", "lan")
		if got, want := causes(auditOf(t, installer, multus.AuditOptions{})), []string{"late multus/not-installed"}; !slices.Equal(got, want) {
			t.Errorf("lost %v, want %v", got, want)
		}
		time.Sleep(time.Hour)
		install(t, cluster, onFlannel, multus.InstallOptions{})
		if got, want := causes(auditOf(t, installer, multus.AuditOptions{})), []string{"late multus/installed-later"}; !slices.Equal(got, want) {
			t.Errorf("lost %v, want %v", got, want)
		}
		cluster.ResetRequests()
		report := auditOf(t, installer, multus.AuditOptions{Recreate: true})
		if got, want := writes(cluster), []string{"create pods/eviction shop/late"}; !slices.Equal(got, want) || !report.Pods[0].Evicted {
			t.Errorf("%v, %s, want the eviction of late", got, report)
		}
		start(t, cluster, "late", "lan") // as its controller would
		if report := auditOf(t, installer, multus.AuditOptions{}); !report.Clean() || report.Asking != 2 {
			t.Errorf("%s, want none lost of two", report)
		}
	})
}

// TestAuditWaits: a pod that waits for its NAD is told from its event, or from
// the list of NADs alone.
func TestAuditWaits(t *testing.T) {
	cluster, installer := shop(t)
	start(t, cluster, "web", "wan")
	cluster.ResetRequests()
	report := auditOf(t, installer, multus.AuditOptions{Recreate: true})
	want := []multus.LostPod{{
		Namespace: "shop", Name: "web", Node: "a", Controller: "ReplicaSet web", Waiting: true, Missing: []string{"shop/wan"},
		Kept: "the kubelet tries again by itself",
	}}
	want[0].Cause = multus.KnownTrouble("network/nad-missing", "wan", "shop")
	want[0].Cause.Object = "Pod shop/web"
	if diff := cmp.Diff(want, report.Pods); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
	if got, want := requests(cluster), []string{
		"list pods", "list daemonsets", "list pods in kube-system", "list network-attachment-definitions", "list events",
	}; !slices.Equal(got, want) {
		t.Errorf("requests %v, want %v", got, want)
	}
}

// TestAuditHealthy: as long as nothing is lost, only pods are read.
func TestAuditHealthy(t *testing.T) {
	cluster, installer := shop(t)
	start(t, cluster, "web", "lan")
	cluster.ResetRequests()
	var events []string
	report := auditOf(t, installer, multus.AuditOptions{
		Namespaces: []string{"shop", "default"}, Recreate: true, Progress: func(e multus.Event) { events = append(events, e.String()) },
	})
	if got, want := requests(cluster), []string{"list pods in default", "list pods in shop"}; !slices.Equal(got, want) || !report.Clean() || events != nil {
		t.Errorf("requests %v, want %v; %s; events %v", got, want, report, events)
	}
	if got, want := report.String(), "1 of 1 pods ask for networks: 0 lost, 0 starting\n"; got != want {
		t.Errorf("report %q, want %q", got, want)
	}
}

// TestAuditNoCRD: without the CRD no network exists.
func TestAuditNoCRD(t *testing.T) {
	cluster := simulate(t, multustest.Options{Objects: []client.Object{aPod("web", networksOf("lan"))}})
	report := auditOf(t, newInstaller(t, cluster.Client(), multus.Config{}), multus.AuditOptions{Recreate: true})
	want := "a new pod could not start: there is no NetworkAttachmentDefinition lan in namespace shop"
	if len(report.Pods) != 1 || report.Pods[0].Kept != want || report.Pods[0].Cause.Code != "multus/not-installed" {
		t.Errorf("%s, want it kept: %s", report, want)
	}
}

// TestAuditFindings: what is wrong with Multus itself stands beside lost pods.
func TestAuditFindings(t *testing.T) {
	cluster := simulate(t, multustest.Options{
		Nodes: []multustest.Node{{Name: "b", Talos: "v1.8.0"}}, PrimaryCNI: "cilium", Cilium: multustest.Cilium{Exclusive: true},
		Objects: []client.Object{aPod("web", networksOf("lan"))},
	})
	kubectl.write(t, cluster, manifestObjects(t, asUpstream("v4.2.4"))...)
	create(t, cluster, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, networkNAD("lan", `{"cniVersion":"1.0.0","type":"macvlan"}`))
	for _, config := range []multus.Config{{}, {Platform: multus.Platform{Talos: "v1.8.0", PrimaryCNI: "cilium", Architectures: []string{"amd64"}}}} {
		report := auditOf(t, newInstaller(t, cluster.Client(), config), multus.AuditOptions{Recreate: true})
		for _, want := range []string{"multus/netns", "multus/low-memory", "cilium/exclusive"} {
			if !slices.Contains(codes(report.Findings), want) {
				t.Errorf("findings %v lack %s", report.Findings, want)
			}
		}
		if len(report.Pods) != 1 || !strings.Contains(report.Pods[0].Kept, "Cilium renames") {
			t.Errorf("%s, want the pod kept for Cilium", report)
		}
	}
}

// TestAuditForbidden: what may not be read is told.
func TestAuditForbidden(t *testing.T) {
	tests := []struct {
		resource string
		finding  string
		causes   []string
	}{
		{"pods", "error multus/unseen: no permission to list pods in namespace shop", nil},
		{"events", "warning multus/unseen: no permission to list events in namespace shop", []string{"late multus/installed-later", "waits network/nad-missing"}},
		{"network-attachment-definitions", "warning multus/unseen: no permission to list network-attachment-definitions", []string{"late multus/installed-later", "waits network/nad-missing"}},
		{"daemonsets", "warning multus/unseen: no permission to list daemonsets.apps", []string{"late multus/unknown", "waits network/nad-missing"}},
	}
	for _, tt := range tests {
		t.Run(tt.resource, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster, installer := lateAndWaiting(t, onFlannel)
				cluster.Forbid("list", tt.resource)
				report := auditOf(t, installer, multus.AuditOptions{Namespaces: []string{"shop"}})
				if report.Clean() || len(report.Findings) == 0 || !strings.HasPrefix(report.Findings[0].String(), tt.finding) {
					t.Errorf("clean %t, findings %v, want %s", report.Clean(), report.Findings, tt.finding)
				}
				if got := causes(report); !slices.Equal(got, tt.causes) {
					t.Errorf("lost %v, want %v", got, tt.causes)
				}
			})
		})
	}
}

// TestAuditForbiddenDaemons: Multus' own pods may be hidden while others are
// not.
func TestAuditForbiddenDaemons(t *testing.T) {
	s, installer := onStage(t, append(multusOn(t), networkNAD("lan", ""), aPod("web", networksOf("lan")))...)
	s.before = func(kind string, o *client.ListOptions) error {
		if kind == "Pod" && o.Namespace == "kube-system" || kind == "NetworkAttachmentDefinition" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", nil)
		}
		return nil
	}
	report := auditOf(t, installer, multus.AuditOptions{Recreate: true})
	if len(report.Pods) != 1 || !strings.Contains(report.Pods[0].Cause.Message, "Multus' pods may not be listed") || len(report.Findings) < 2 {
		t.Errorf("%s, want an unknown cause", report)
	}
	if want := "whether its networks exist is not known"; report.Pods[0].Kept != want {
		t.Errorf("kept: %s, want %s", report.Pods[0].Kept, want)
	}
}

// TestAuditExpired: a list that begins again counts no pod twice.
func TestAuditExpired(t *testing.T) {
	var objects []client.Object
	for n := range 1200 {
		objects = append(objects, aPod(fmt.Sprintf("web-%04d", n), networksOf("lan"), func(p *corev1.Pod) { p.Status = corev1.PodStatus{} }))
	}
	cluster := simulate(t, multustest.Options{Objects: objects})
	lists := 0
	cluster.Fail(func(_ int, r multustest.Request) error {
		if r.Resource == "pods" {
			if lists++; lists == 3 {
				return apierrors.NewResourceExpired("too old")
			}
		}
		return nil
	})
	var events []multus.Event
	report := auditOf(t, newInstaller(t, cluster.Client(), onFlannel), multus.AuditOptions{Namespaces: []string{"shop"}, Progress: func(e multus.Event) { events = append(events, e) }})
	if report.Scanned != 1200 || report.Asking != 1200 || len(report.Pods) != 1200 {
		t.Errorf("%d scanned, %d asking, %d lost, want 1200", report.Scanned, report.Asking, len(report.Pods))
	}
	var scanned []int
	for _, e := range events {
		if e.Type == multus.EventScanned {
			scanned = append(scanned, e.Done)
		}
	}
	if want := []int{500, 1000, 0, 500, 1000}; !slices.Equal(scanned, want) {
		t.Errorf("progress %v, want %v", scanned, want)
	}
}

// TestAuditFaults breaks every request of an Audit in every way. It fails with
// an error that names the request and leads to the cause, or tells of the pod
// that it could not evict; and the next Audit works.
func TestAuditFaults(t *testing.T) {
	faults := []struct {
		name string
		make func() error
	}{
		{"timeout", multustest.Timeout},
		{"409", multustest.Conflict},
		{"422", multustest.Invalid},
		{"429", multustest.TooManyRequests},
		{"500", multustest.ServerError},
		{"connection reset", multustest.ConnectionReset},
		{"lost answer", multustest.LostAnswer},
		{"cancelled", func() error { return context.Canceled }},
	}
	for _, config := range []multus.Config{onFlannel, {}} {
		for _, fault := range faults {
			t.Run(fmt.Sprintf("%s given %t", fault.name, !config.Platform.IsZero()), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cluster, installer := lateAndWaiting(t, config)
					auditOf(t, installer, multus.AuditOptions{Recreate: true})
					for index, request := range cluster.Requests() {
						cluster, installer := lateAndWaiting(t, config)
						breakAudit(t, cluster, installer, index, request, fault.make())
						cluster.Fail(nil)
						if got := causes(auditOf(t, installer, multus.AuditOptions{Recreate: true})); !slices.Contains(got, "waits network/nad-missing") {
							t.Errorf("%s at %s: the next audit finds %v", fault.name, request, got)
						}
						if report := auditOf(t, installer, multus.AuditOptions{}); len(report.Pods) != 1 {
							t.Errorf("%s at %s: the one after it finds %s", fault.name, request, report)
						}
					}
				})
			})
		}
	}
}

// breakAudit audits with one request broken.
func breakAudit(t *testing.T, cluster *multustest.Cluster, installer *multus.Installer, index int, request multustest.Request, cause error) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cluster.Fail(func(n int, _ multustest.Request) error {
		switch {
		case n != index:
			return nil
		case errors.Is(cause, context.Canceled):
			cancel()
			return nil
		}
		return cause
	})
	report, err := installer.Audit(ctx, multus.AuditOptions{Recreate: true})
	what, name := request.Verb+" "+strings.ToLower(request.Kind), request.Name
	if request.Subresource == "eviction" {
		what = "evict Pod shop/late"
	}
	if request.Kind == "ConfigMap" {
		what = "get ConfigMap kube-system/"
	}
	switch {
	case err == nil && request.Subresource == "eviction" && (apierrors.IsConflict(cause) || apierrors.IsTooManyRequests(cause)):
		if report.Pods[0].Evicted || report.Pods[0].Kept == "" {
			t.Errorf("%v at %s: %s", cause, request, report)
		}
	case !errors.Is(err, cause) || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), name):
		t.Errorf("%v at %s: error %v", cause, request, err)
	case (report != nil) != (request.Subresource == "eviction"):
		t.Errorf("%v at %s: report %v", cause, request, report)
	}
}
