package multustest_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus/multustest"
)

// probe is a DaemonSet to play with.
func probe(image string) *appsv1.DaemonSet {
	labels := map[string]string{"app": "probe"}
	return &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "probe"},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "probe", Image: image}}},
			},
		},
	}
}

func ExampleNewCluster() {
	cluster, err := multustest.NewCluster(multustest.Options{
		Nodes:      []multustest.Node{{Name: "cp-1", ControlPlane: true}, {Name: "worker-1", Architecture: "arm64"}},
		PrimaryCNI: "cilium",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	nodes := &corev1.NodeList{}
	if err := cluster.Client().List(context.Background(), nodes); err != nil {
		fmt.Println(err)
	}
	for _, node := range nodes.Items {
		fmt.Println(node.Name, node.Status.NodeInfo.OSImage, node.Status.NodeInfo.Architecture)
	}
	// Output:
	// cp-1 Talos (v1.13.9) amd64
	// worker-1 Talos (v1.13.9) arm64
}

func ExampleCluster_Client() {
	cluster, _ := multustest.NewCluster(multustest.Options{})
	c, ctx := cluster.Client(), context.Background()
	if err := c.Create(ctx, probe("probe:1"), client.FieldOwner("example")); err != nil {
		fmt.Println(err)
	}
	set := &appsv1.DaemonSet{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: "kube-system", Name: "probe"}, set); err != nil {
		fmt.Println(err)
	}
	fmt.Println(set.Status.NumberAvailable, "available, owned by", set.ManagedFields[0].Manager)
	// Output: 1 available, owned by example
}

func ExampleCluster_Step() {
	cluster, _ := multustest.NewCluster(multustest.Options{
		Nodes: []multustest.Node{{Name: "a"}, {Name: "b"}}, Rollout: multustest.RolloutManual,
	})
	if err := cluster.Client().Create(context.Background(), probe("probe:1")); err != nil {
		fmt.Println(err)
	}
	for node, ok := cluster.Step(); ok; node, ok = cluster.Step() {
		fmt.Println(node, "runs the probe")
	}
	// Output:
	// a runs the probe
	// b runs the probe
}

func ExampleCluster_Roll() {
	cluster, _ := multustest.NewCluster(multustest.Options{Nodes: []multustest.Node{{Name: "a"}}})
	fmt.Println(cluster.Roll("a"))
	fmt.Println(cluster.Roll("b"))
	// Output:
	// roll node a: no DaemonSet but the primary CNI's runs there; apply one first
	// roll node b: there is no such node
}

func ExampleCluster_SetFault() {
	cluster, _ := multustest.NewCluster(multustest.Options{Nodes: []multustest.Node{{Name: "a"}, {Name: "b"}}})
	c, ctx := cluster.Client(), context.Background()
	cluster.SetFault("b", multustest.FaultImagePull)
	if err := c.Create(ctx, probe("probe:1")); err != nil {
		fmt.Println(err)
	}
	pods := &corev1.PodList{}
	show := func() {
		if err := c.List(ctx, pods, client.MatchingLabels{"app": "probe"}, client.MatchingFields{"spec.nodeName": "b"}); err != nil {
			fmt.Println(err)
		}
		if waiting := pods.Items[0].Status.ContainerStatuses[0].State.Waiting; waiting != nil {
			fmt.Println(waiting.Reason)
			return
		}
		fmt.Println(pods.Items[0].Status.Phase)
	}
	show()
	cluster.SetFault("b", multustest.FaultNone)
	show()
	// Output:
	// ImagePullBackOff
	// Running
}

func ExampleCluster_Requests() {
	cluster, _ := multustest.NewCluster(multustest.Options{})
	c, ctx := cluster.Client(), context.Background()
	_ = c.List(ctx, &corev1.PodList{}, client.InNamespace("kube-system"))
	_ = c.Create(ctx, probe("probe:1"), client.DryRunAll)
	_ = c.Create(ctx, probe("probe:1"))
	for _, r := range cluster.Requests() {
		fmt.Println(r, r.IsWrite())
	}
	// Output:
	// list pods in kube-system false
	// create daemonsets kube-system/probe (dry run) false
	// create daemonsets kube-system/probe true
}

func ExampleCluster_ResetRequests() {
	cluster, _ := multustest.NewCluster(multustest.Options{})
	_ = cluster.Client().List(context.Background(), &corev1.PodList{})
	cluster.ResetRequests()
	fmt.Println(len(cluster.Requests()))
	// Output: 0
}

func ExampleRequest_IsWrite() {
	fmt.Println(multustest.Request{Verb: "apply", Resource: "daemonsets"}.IsWrite())
	fmt.Println(multustest.Request{Verb: "apply", Resource: "daemonsets", DryRun: true}.IsWrite())
	// Output:
	// true
	// false
}

func ExampleRequest_String() {
	fmt.Println(multustest.Request{Verb: "update", Resource: "pods", Subresource: "status", Namespace: "default", Name: "web"})
	// Output: update pods/status default/web
}

func ExampleCluster_Fail() {
	cluster, _ := multustest.NewCluster(multustest.Options{})
	cluster.Fail(func(index int, r multustest.Request) error {
		if index == 1 && r.Resource == "pods" {
			return multustest.Timeout()
		}
		return nil
	})
	for range 3 {
		fmt.Println(cluster.Client().List(context.Background(), &corev1.PodList{}))
	}
	// Output:
	// <nil>
	// Timeout: request did not complete within the allotted timeout
	// <nil>
}

// fail shows what a caller gets of an error.
func fail(err error) error {
	cluster, _ := multustest.NewCluster(multustest.Options{})
	cluster.Fail(func(int, multustest.Request) error { return err })
	return cluster.Client().List(context.Background(), &corev1.PodList{})
}

func ExampleTimeout() {
	fmt.Println(apierrors.IsTimeout(fail(multustest.Timeout())))
	// Output: true
}

func ExampleTooManyRequests() {
	seconds, retry := apierrors.SuggestsClientDelay(fail(multustest.TooManyRequests()))
	fmt.Println(seconds, retry)
	// Output: 1 true
}

func ExampleServerError() {
	fmt.Println(fail(multustest.ServerError()))
	// Output: Internal error occurred: etcdserver: leader changed
}

func ExampleUnavailable() {
	fmt.Println(apierrors.IsServiceUnavailable(fail(multustest.Unavailable())))
	// Output: true
}

func ExampleConnectionReset() {
	fmt.Println(errors.Is(fail(multustest.ConnectionReset()), syscall.ECONNRESET))
	// Output: true
}

func ExampleConflict() {
	fmt.Println(apierrors.IsConflict(fail(multustest.Conflict())))
	// Output: true
}

func ExampleInvalid() {
	fmt.Println(apierrors.IsInvalid(fail(multustest.Invalid())))
	// Output: true
}

func ExampleExpired() {
	fmt.Println(apierrors.IsResourceExpired(fail(multustest.Expired())))
	// Output: true
}

func ExampleLostAnswer() {
	cluster, _ := multustest.NewCluster(multustest.Options{})
	c, ctx := cluster.Client(), context.Background()
	cluster.Fail(func(int, multustest.Request) error { return multustest.LostAnswer() })
	fmt.Println(errors.Is(c.Create(ctx, probe("probe:1")), syscall.ECONNRESET))
	cluster.Fail(nil)
	fmt.Println(apierrors.IsAlreadyExists(c.Create(ctx, probe("probe:1"))))
	// Output:
	// true
	// true
}

func ExampleCluster_Forbid() {
	cluster, _ := multustest.NewCluster(multustest.Options{})
	cluster.Forbid("list", "pods")
	fmt.Println(cluster.Client().List(context.Background(), &corev1.PodList{}))
	// Output: pods is forbidden: User "system:serviceaccount:default:multustest" cannot list resource "pods" in API group "" at the cluster scope
}

func ExampleCluster_Allow() {
	cluster, _ := multustest.NewCluster(multustest.Options{})
	cluster.Forbid("list", "pods")
	cluster.Allow("list", "pods")
	fmt.Println(cluster.Client().List(context.Background(), &corev1.PodList{}))
	// Output: <nil>
}

func ExampleCluster_HoldCRDs() {
	cluster, _ := multustest.NewCluster(multustest.Options{})
	c, ctx := cluster.Client(), context.Background()
	cluster.HoldCRDs()
	if err := c.Create(ctx, nadCRD()); err != nil {
		fmt.Println(err)
	}
	err := c.List(ctx, &netattdefv1.NetworkAttachmentDefinitionList{})
	fmt.Println(meta.IsNoMatchError(err))
	// Output: true
}

func ExampleCluster_EstablishCRDs() {
	cluster, _ := multustest.NewCluster(multustest.Options{})
	c, ctx := cluster.Client(), context.Background()
	cluster.HoldCRDs()
	if err := c.Create(ctx, nadCRD()); err != nil {
		fmt.Println(err)
	}
	cluster.EstablishCRDs()
	fmt.Println(c.List(ctx, &netattdefv1.NetworkAttachmentDefinitionList{}))
	// Output: <nil>
}

func ExampleCluster_BreakWatches() {
	cluster, _ := multustest.NewCluster(multustest.Options{})
	w, err := cluster.Client().Watch(context.Background(), &corev1.SecretList{})
	if err != nil {
		fmt.Println(err)
		return
	}
	cluster.BreakWatches()
	_, open := <-w.ResultChan()
	fmt.Println(open)
	// Output: false
}
