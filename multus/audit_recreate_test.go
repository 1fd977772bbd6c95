package multus_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// TestAuditKeeps: Recreate evicts what is better off afterwards, and only that.
func TestAuditKeeps(t *testing.T) {
	away := restarted(-1, 1, "Error")
	lan := networkNAD("lan", `{"cniVersion":"1.0.0","plugins":[{"type":"macvlan"}]}`)
	tests := []struct {
		name    string
		objects []client.Object
		kept    string
	}{
		{"lost", append(multusOn(t, away), lan, aPod("web", networksOf("lan"))), ""},
		{"other sandbox", append(multusOn(t), lan, aPod("web", networksOf("lan", "shop/lan net1"), func(p *corev1.Pod) { p.Status.PodIP, p.Status.PodIPs = "10.244.0.8", nil })), ""},
		{"no controller", append(multusOn(t, away), lan, aPod("web", networksOf("lan"), func(p *corev1.Pod) { p.OwnerReferences[0].Controller = nil })), "no controller would create it again"},
		{"broken annotation", append(multusOn(t, away), lan, aPod("web", networksOf("[null]"))), "a new pod could not start with this annotation"},
		{"NAD missing", append(multusOn(t, away), aPod("web", networksOf("lan"))), "a new pod could not start: there is no NetworkAttachmentDefinition lan in namespace shop"},
		{"NAD broken", append(multusOn(t, away), networkNAD("lan", "{"), aPod("web", networksOf("lan"))), `a new pod could not start: Invalid value: "{": must be JSON: line 1: unexpected end of JSON input`},
		{"NAD in a file", append(multusOn(t, away), networkNAD("lan", ""), aPod("web", networksOf("lan"))), ""},
		{"Multus crashes", append(multusOn(t, crashing), lan, aPod("web", networksOf("lan"))), "Multus is not ready on node b"},
		{"bypassed", append(multusOn(t), lan, aPod("web", networksOf("lan"))), "a new pod may lack its networks too: restart Multus on node b first"},
		{"waits", append(multusOn(t), aPod("web", networksOf("lan"), waits)), "the kubelet tries again by itself"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := onStage(t, tt.objects...)
			evictions := &evictor{WithWatch: s}
			installer := newInstaller(t, evictions, onFlannel)
			var events []string
			report := auditOf(t, installer, multus.AuditOptions{Recreate: true, Progress: func(e multus.Event) {
				events = append(events, string(e.Type)+" "+e.Object+" "+e.Message)
			}})
			pod := report.Pods[0]
			if pod.Kept != tt.kept || pod.Evicted != (tt.kept == "") {
				t.Errorf("evicted %t, kept %q, want %q", pod.Evicted, pod.Kept, tt.kept)
			}
			want, last := []string(nil), "kept Pod shop/web Pod shop/web: "+tt.kept
			if tt.kept == "" {
				want, last = []string{"shop/web uid-of-pod"}, "evicted Pod shop/web Pod shop/web"
			}
			if !slices.Equal(evictions.asked, want) {
				t.Errorf("evictions %q, want %q", evictions.asked, want)
			}
			if len(events) != 2 || !strings.HasPrefix(events[0], "lost Pod shop/web shop/web on node b ") || events[1] != last {
				t.Errorf("events %q, want lost and %q", events, last)
			}
			if text := pod.String(); !strings.Contains(text, map[bool]string{true: " (evicted): ", false: " (kept: " + tt.kept + "): "}[tt.kept == ""]) {
				t.Errorf("pod %s", text)
			}
			evictions.asked = nil
			if report := auditOf(t, installer, multus.AuditOptions{}); evictions.asked != nil || report.Pods[0].Kept != "" || report.Pods[0].Evicted {
				t.Errorf("without Recreate: %q, %s", evictions.asked, report)
			}
		})
	}
}

// evictor answers evictions.
type evictor struct {
	client.WithWatch
	asked  []string
	answer func(n int) error
}

func (e *evictor) SubResource(string) client.SubResourceClient {
	return evictions{e.WithWatch.SubResource("eviction"), e}
}

type evictions struct {
	client.SubResourceClient
	*evictor
}

func (e evictions) Create(_ context.Context, pod, sub client.Object, _ ...client.SubResourceCreateOption) error {
	uid := ""
	if o := sub.(*policyv1.Eviction).DeleteOptions; o != nil {
		uid = string(*o.Preconditions.UID)
	}
	e.asked = append(e.asked, strings.TrimSpace(pod.GetNamespace()+"/"+pod.GetName()+" "+uid))
	if e.answer == nil {
		return nil
	}
	return e.answer(len(e.asked))
}

// TestAuditEvictions: what the API server says to an eviction.
func TestAuditEvictions(t *testing.T) {
	resource := schema.GroupResource{Resource: "pods"}
	budget := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 10)
	internal := apierrors.NewInternalError(fmt.Errorf("etcdserver: leader changed"))
	tests := []struct {
		name   string
		answer func(n int) error
		asked  int
		kept   string // of the first
		failed bool
	}{
		{"all", func(int) error { return nil }, 8, "", false},
		{"disruption budget", func(int) error { return budget }, 8, "the API server does not allow it now: " + budget.Error(), false},
		{"gone", func(int) error { return apierrors.NewNotFound(resource, "web") }, 8, "it is gone already", false},
		{"replaced", func(int) error { return apierrors.NewConflict(resource, "web", nil) }, 8, "it was replaced or changed meanwhile; audit again", false},
		{"one fails", func(n int) error {
			if n == 1 {
				return internal
			}
			return nil
		}, 8, "evict Pod shop/web-0: " + internal.Error(), true},
		{"all fail", func(int) error { return internal }, 5, "evict Pod shop/web-0: " + internal.Error(), true},
		{"forbidden", func(int) error { return apierrors.NewForbidden(resource, "web", nil) }, 1, "evict Pod shop/web-0: " + apierrors.NewForbidden(resource, "web", nil).Error(), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			objects := append(multusOn(t, restarted(-1, 1, "Error")), networkNAD("lan", `{"cniVersion":"1.0.0","type":"macvlan"}`))
			for n := range 8 {
				objects = append(objects, aPod(fmt.Sprintf("web-%d", n), networksOf("lan"), func(p *corev1.Pod) { p.UID = "" }))
			}
			s, _ := onStage(t, objects...)
			e := &evictor{WithWatch: s, answer: tt.answer}
			report, err := newInstaller(t, e, onFlannel).Audit(t.Context(), multus.AuditOptions{Recreate: true})
			if (err != nil) != tt.failed || tt.failed && !strings.HasPrefix(err.Error(), "evict Pod shop/web-0: ") {
				t.Errorf("error %v", err)
			}
			if len(e.asked) != tt.asked || len(report.Pods) != 8 || report.Pods[0].Kept != tt.kept || report.Pods[0].Evicted != (tt.kept == "") {
				t.Errorf("asked %q, %s, want %d, the first kept: %s", e.asked, report, tt.asked, tt.kept)
			}
		})
	}
}

// TestAuditThin: thin Multus, and a DaemonSet without a selector, are looked at
// as well.
func TestAuditThin(t *testing.T) {
	_, installer := onStage(t, append(multusOn(t, func(ds *appsv1.DaemonSet, p *corev1.Pod) {
		ds.Name, ds.Namespace, ds.Spec.Selector, p.Namespace = "kube-multus-ds-thin", "networks", nil, "networks"
	}), aPod("web", networksOf("lan")))...)
	if got, want := causes(auditOf(t, installer, multus.AuditOptions{})), []string{"web multus/bypassed"}; !cmp.Equal(got, want) {
		t.Errorf("lost %v, want %v", got, want)
	}
}

// TestAuditorRBAC: Audit asks for what AuditorRBAC allows, and for all of it.
func TestAuditorRBAC(t *testing.T) {
	tests := []struct {
		name    string
		config  multus.Config
		options multus.AuditOptions
	}{
		{"all", multus.Config{}, multus.AuditOptions{}},
		{"given", onFlannel, multus.AuditOptions{Recreate: true}},
		{"namespace", onFlannel, multus.AuditOptions{Namespaces: []string{"shop"}, Recreate: true}},
		{"its own namespace", onFlannel, multus.AuditOptions{Namespaces: []string{"kube-system", "shop"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			objects := append(multusOn(t, restarted(-1, 1, "Error")), networkNAD("lan", `{"cniVersion":"1.0.0","type":"macvlan"}`),
				aPod("late", networksOf("lan")), aPod("waits", networksOf("wan"), waits))
			cluster := simulate(t, multustest.Options{Nodes: []multustest.Node{{Name: "b"}}, Objects: append(objects, &corev1.Namespace{
				TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: "shop"},
			})})
			auditOf(t, newInstaller(t, cluster.Client(), tt.config), tt.options)
			allowed := allows(multus.AuditorRBAC(tt.config, tt.options))
			used := map[string]bool{}
			for _, r := range cluster.Requests() {
				resource := r.Resource
				if r.Subresource != "" {
					resource += "/" + r.Subresource
				}
				narrow, wide := r.Verb+" "+resource+" in "+r.Namespace, r.Verb+" "+resource+" in "
				if !allowed[narrow] && !allowed[wide] {
					t.Errorf("%s is not allowed", r)
				}
				used[narrow], used[wide] = true, true
			}
			for permission := range allowed {
				// Flannel is the CNI of this cluster, and its settings are
				// read when the platform is to be detected; Cilium's are not.
				if !used[permission] && !strings.HasPrefix(permission, "get configmaps") && !strings.HasPrefix(permission, "list ciliumnodeconfigs") {
					t.Errorf("%s is not needed", permission)
				}
			}
		})
	}
}

// allows lists the permissions in roles: "list pods in shop".
func allows(roles []client.Object) map[string]bool {
	out := map[string]bool{}
	for _, object := range roles {
		rules := []rbacv1.PolicyRule(nil)
		switch role := object.(type) {
		case *rbacv1.ClusterRole:
			rules = role.Rules
		case *rbacv1.Role:
			rules = role.Rules
		}
		for _, rule := range rules {
			out[rule.Verbs[0]+" "+rule.Resources[0]+" in "+object.GetNamespace()] = true
		}
	}
	return out
}
