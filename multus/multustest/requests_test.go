package multustest_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus/multustest"
)

// TestRequests: every call is recorded as what an API server would see.
func TestRequests(t *testing.T) {
	mergePatch := client.RawPatch(types.MergePatchType, []byte(`{"data":{"x":"y"}}`))
	tests := []struct {
		name  string
		call  func(context.Context, client.WithWatch) error
		want  string
		write bool
	}{
		{"get", func(ctx context.Context, c client.WithWatch) error {
			return c.Get(ctx, client.ObjectKey{Namespace: "default", Name: "config"}, &corev1.ConfigMap{})
		}, "get configmaps default/config", false},
		{"get a cluster object", func(ctx context.Context, c client.WithWatch) error {
			return c.Get(ctx, client.ObjectKey{Namespace: "default", Name: "node-1"}, &corev1.Node{})
		}, "get nodes node-1", false},
		{"list", func(ctx context.Context, c client.WithWatch) error { return c.List(ctx, &corev1.PodList{}) }, "list pods", false},
		{"list in a namespace", func(ctx context.Context, c client.WithWatch) error {
			return c.List(ctx, &corev1.PodList{}, client.InNamespace("default"))
		}, "list pods in default", false},
		{"watch", func(ctx context.Context, c client.WithWatch) error {
			w, err := c.Watch(ctx, &corev1.PodList{}, client.InNamespace("default"))
			if err == nil {
				w.Stop()
			}
			return err
		}, "watch pods in default", false},
		{"create", func(ctx context.Context, c client.WithWatch) error {
			return c.Create(ctx, namedConfigMap("new", nil))
		}, "create configmaps default/new", true},
		{"update", func(ctx context.Context, c client.WithWatch) error { return c.Update(ctx, newConfigMap("a", "2")) }, "update configmaps default/config", true},
		{"patch", func(ctx context.Context, c client.WithWatch) error { return c.Patch(ctx, newConfigMap(), mergePatch) }, "patch configmaps default/config", true},
		{"apply", func(ctx context.Context, c client.WithWatch) error {
			return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(manifest(t, newConfigMap("c", "3"))), client.FieldOwner("x"))
		}, "apply configmaps default/config", true},
		{"apply by patch", func(ctx context.Context, c client.WithWatch) error {
			return c.Patch(ctx, newConfigMap("c", "3"), client.Apply, client.FieldOwner("x"), client.DryRunAll) //nolint:staticcheck // still in use
		}, "apply configmaps default/config (dry run)", false},
		{"delete", func(ctx context.Context, c client.WithWatch) error { return c.Delete(ctx, newConfigMap()) }, "delete configmaps default/config", true},
		{"delete all", func(ctx context.Context, c client.WithWatch) error {
			return c.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace("default"))
		}, "deletecollection configmaps in default", true},
		{"permission", func(ctx context.Context, c client.WithWatch) error {
			return c.Create(ctx, &authorizationv1.SelfSubjectAccessReview{})
		}, "create selfsubjectaccessreviews", false},
		{"status", func(ctx context.Context, c client.WithWatch) error {
			return c.Status().Update(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "pod"}, Status: corev1.PodStatus{Phase: corev1.PodFailed}})
		}, "update pods/status default/pod", true},
		{"status patch", func(ctx context.Context, c client.WithWatch) error {
			return c.Status().Patch(ctx, newPod("pod", ""), client.RawPatch(types.MergePatchType, []byte(`{"status":{"phase":"Failed"}}`)), client.DryRunAll)
		}, "patch pods/status default/pod (dry run)", false},
		{"status apply", func(ctx context.Context, c client.WithWatch) error {
			u := manifest(t, newPod("pod", ""))
			u.Object = map[string]any{"metadata": u.Object["metadata"], "status": map[string]any{"message": "hello"}}
			u.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
			return c.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("x"))
		}, "apply pods/status default/pod", true},
		{"eviction", func(ctx context.Context, c client.WithWatch) error {
			return c.SubResource("eviction").Create(ctx, newPod("pod", ""), &policyv1.Eviction{})
		}, "create pods/eviction default/pod", true},
		{"scale", func(ctx context.Context, c client.WithWatch) error {
			return c.SubResource("scale").Get(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}, &autoscalingv1.Scale{})
		}, "get deployments/scale default/web", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, multustest.Options{Objects: []client.Object{
				newConfigMap("a", "1"), newPod("pod", ""), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}},
			}})
			if err := test.call(t.Context(), c.Client()); err != nil {
				t.Fatal(err)
			}
			requests := c.Requests()
			if len(requests) != 1 {
				t.Fatalf("requests %v, want one", requests)
			}
			if got := requests[0].String(); got != test.want {
				t.Errorf("recorded as %q, want %q", got, test.want)
			}
			if got := requests[0].IsWrite(); got != test.write {
				t.Errorf("IsWrite %t, want %t", got, test.write)
			}
			c.Forbid("*", "*")
			if err := test.call(t.Context(), c.Client()); test.name != "permission" && !apierrors.IsForbidden(err) {
				t.Errorf("forbidden: error %v", err)
			}
		})
	}
}

func TestFail(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	var indices []int
	c.Fail(func(index int, r multustest.Request) error {
		indices = append(indices, index)
		c.SetFault("node-1", multustest.FaultSlow) // a hook may use the cluster
		if r.Verb == "create" {
			return multustest.ServerError()
		}
		return nil
	})
	if err := c.Client().Create(t.Context(), newConfigMap()); !apierrors.IsInternalError(err) {
		t.Errorf("error %v, want 500", err)
	}
	if err := c.Client().Get(t.Context(), client.ObjectKeyFromObject(newConfigMap()), &corev1.ConfigMap{}); !apierrors.IsNotFound(err) {
		t.Errorf("error %v, want NotFound", err)
	}
	c.ResetRequests()
	if err := c.Client().List(t.Context(), &corev1.PodList{}); err != nil {
		t.Error(err)
	}
	c.Fail(nil)
	if err := c.Client().Create(t.Context(), newConfigMap()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]int{0, 1, 0}, indices); diff != "" {
		t.Errorf("indices (-want +got):\n%s", diff)
	}
}

func TestLostAnswer(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	c.Fail(func(int, multustest.Request) error { return multustest.LostAnswer() })
	if err := c.Client().Create(t.Context(), newConfigMap()); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("error %v, want a connection reset", err)
	}
	if _, err := c.Client().Watch(t.Context(), &corev1.PodList{}); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("error %v, want a connection reset", err)
	}
	if err := c.Client().Create(t.Context(), newConfigMap()); !apierrors.IsAlreadyExists(err) {
		t.Errorf("error %v, want AlreadyExists: the first request was carried out", err)
	}
}

func TestContextEnds(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	c.Fail(func(int, multustest.Request) error { cancel(); return nil })
	for range 2 {
		if err := c.Client().Create(ctx, newConfigMap()); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
	}
	if got := len(c.Requests()); got != 1 {
		t.Errorf("%d requests, want the one before the context ended", got)
	}
	c.Fail(nil)
	if err := c.Client().Create(t.Context(), newConfigMap()); err != nil {
		t.Errorf("a cancelled request was carried out: %v", err)
	}
	for verb, call := range map[string]func() error{
		"Get":    func() error { return c.Client().List(ctx, &corev1.PodList{}) },
		"Put":    func() error { return c.Client().Update(ctx, newConfigMap()) },
		"Delete": func() error { return c.Client().Delete(ctx, newConfigMap()) },
		"Patch": func() error {
			return c.Client().Patch(ctx, newConfigMap(), client.RawPatch(types.MergePatchType, []byte(`{}`)))
		},
	} {
		want := verb + ` "https://10.5.0.2:6443": context canceled`
		if err := call(); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestErrors(t *testing.T) {
	isReset := func(err error) bool {
		var network *net.OpError
		return errors.Is(err, syscall.ECONNRESET) && errors.As(err, &network)
	}
	tests := []struct {
		name string
		err  error
		is   func(error) bool
	}{
		{"Timeout", multustest.Timeout(), apierrors.IsTimeout},
		{"TooManyRequests", multustest.TooManyRequests(), apierrors.IsTooManyRequests},
		{"ServerError", multustest.ServerError(), apierrors.IsInternalError},
		{"Unavailable", multustest.Unavailable(), apierrors.IsServiceUnavailable},
		{"Conflict", multustest.Conflict(), apierrors.IsConflict},
		{"Invalid", multustest.Invalid(), apierrors.IsInvalid},
		{"Expired", multustest.Expired(), apierrors.IsResourceExpired},
		{"ConnectionReset", multustest.ConnectionReset(), isReset},
		{"LostAnswer", multustest.LostAnswer(), isReset},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if !test.is(test.err) || test.err.Error() == "" {
				t.Errorf("%v is of another kind", test.err)
			}
		})
	}
}

func TestForbid(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	c.Forbid("list", "pods")
	c.Forbid("create", "configmaps")
	c.Forbid("patch", "pods/status")
	isAllowed := func(group, resource, subresource, verb string) bool {
		u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"resourceAttributes": map[string]any{
			"group": group, "resource": resource, "subresource": subresource, "verb": verb,
		}}}}
		u.SetGroupVersionKind(authorizationv1.SchemeGroupVersion.WithKind("SelfSubjectAccessReview"))
		if err := c.Client().Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		typed := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Group: group, Resource: resource, Subresource: subresource, Verb: verb},
		}}
		if err := c.Client().Create(t.Context(), typed); err != nil {
			t.Fatal(err)
		}
		got, _, _ := unstructured.NestedBool(u.Object, "status", "allowed")
		if got != typed.Status.Allowed || u.GetKind() != "SelfSubjectAccessReview" {
			t.Errorf("typed %t, unstructured %t", typed.Status.Allowed, got)
		}
		return got
	}
	tests := []struct {
		name                               string
		group, resource, subresource, verb string
		want                               bool
	}{
		{"list pods", "", "pods", "", "list", false},
		{"get pods", "", "pods", "", "get", true},
		{"patch pods", "", "pods", "", "patch", true},
		{"patch the status of pods", "", "pods", "status", "patch", false},
		{"anything", "*", "*", "", "*", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := isAllowed(test.group, test.resource, test.subresource, test.verb); got != test.want {
				t.Errorf("allowed %t, want %t", got, test.want)
			}
		})
	}
	err := c.Client().List(t.Context(), &corev1.PodList{}, client.InNamespace("default"))
	want := `pods is forbidden: User "system:serviceaccount:default:multustest" cannot list resource "pods" in API group "" in the namespace "default"`
	if !apierrors.IsForbidden(err) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	// Server-side apply needs create as well where it creates.
	config := client.ApplyConfigurationFromUnstructured(manifest(t, newConfigMap()))
	if err := c.Client().Apply(t.Context(), config, client.FieldOwner("x")); !apierrors.IsForbidden(err) {
		t.Errorf("error %v, want Forbidden", err)
	}
	c.Allow("create", "configmaps")
	apply(t, c, newConfigMap())
	c.Forbid("patch", "configmaps")
	if err := c.Client().Apply(t.Context(), config, client.FieldOwner("x")); !apierrors.IsForbidden(err) {
		t.Errorf("error %v, want Forbidden", err)
	}
	c.Allow("patch", "configmaps")
	c.Allow("list", "pods")
	c.Allow("patch", "pods/status")
	if !isAllowed("*", "*", "", "*") {
		t.Error("not allowed again")
	}
}
