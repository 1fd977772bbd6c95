package multustest_test

import (
	"testing"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	"go.uber.org/goleak"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus/multustest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newCluster starts a cluster or ends the test.
func newCluster(t testing.TB, o multustest.Options) *multustest.Cluster {
	t.Helper()
	c, err := multustest.NewCluster(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// threeNodes are a control plane and two workers.
var threeNodes = []multustest.Node{{Name: "cp-1", ControlPlane: true}, {Name: "worker-1"}, {Name: "worker-2", Architecture: "arm64"}}

// multusSet is Multus' DaemonSet, reduced to what the cluster looks at.
func multusSet(image string) *appsv1.DaemonSet {
	labels := map[string]string{"app": "multus"}
	return &appsv1.DaemonSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DaemonSet"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-multus-ds", Labels: labels},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					HostNetwork:    true,
					Tolerations:    []corev1.Toleration{{Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}},
					InitContainers: []corev1.Container{{Name: "install-multus-binary", Image: image}},
					Containers:     []corev1.Container{{Name: "kube-multus", Image: image}},
				},
			},
		},
	}
}

// manifest is an object as it stands in a manifest, for server-side apply.
func manifest(t testing.TB, object runtime.Object) *unstructured.Unstructured {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: content}
	unstructured.RemoveNestedField(u.Object, "status")
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(u.Object, "spec", "template", "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(u.Object, "spec", "updateStrategy")
	return u
}

// apply applies object on the server's side or ends the test.
func apply(t testing.TB, c *multustest.Cluster, object runtime.Object, options ...client.ApplyOption) *unstructured.Unstructured {
	t.Helper()
	u := manifest(t, object)
	options = append([]client.ApplyOption{client.FieldOwner("test")}, options...)
	if err := c.Client().Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), options...); err != nil {
		t.Fatal(err)
	}
	return u
}

// nadCRD is the CRD that Multus brings.
func nadCRD() *apiextensionsv1.CustomResourceDefinition {
	return &apiextensionsv1.CustomResourceDefinition{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apiextensions.k8s.io/v1", Kind: "CustomResourceDefinition"},
		ObjectMeta: metav1.ObjectMeta{Name: "network-attachment-definitions.k8s.cni.cncf.io"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "k8s.cni.cncf.io", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{
				Kind: "NetworkAttachmentDefinition", Plural: "network-attachment-definitions",
				Singular: "network-attachment-definition", ShortNames: []string{"net-attach-def"},
			},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object"}},
			}},
		},
	}
}

// newNAD is a NAD in namespace default.
func newNAD(name, config string) *netattdefv1.NetworkAttachmentDefinition {
	return &netattdefv1.NetworkAttachmentDefinition{
		TypeMeta:   metav1.TypeMeta{APIVersion: "k8s.cni.cncf.io/v1", Kind: "NetworkAttachmentDefinition"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       netattdefv1.NetworkAttachmentDefinitionSpec{Config: config},
	}
}

// newPod is a pod in namespace default.
func newPod(name, networks string) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}},
	}
	if networks != "" {
		pod.Annotations = map[string]string{"k8s.v1.cni.cncf.io/networks": networks}
	}
	return pod
}

// get reads an object of type T, or ends the test.
func get[T any, P interface {
	*T
	client.Object
}](t testing.TB, c *multustest.Cluster, namespace, name string) P {
	t.Helper()
	object := P(new(T))
	if err := c.Client().Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
		t.Fatal(err)
	}
	return object
}

// multusPods returns the pods of multusSet by node.
func multusPods(t testing.TB, c *multustest.Cluster) map[string]corev1.Pod {
	t.Helper()
	list := &corev1.PodList{}
	if err := c.Client().List(t.Context(), list, client.MatchingLabels{"app": "multus"}); err != nil {
		t.Fatal(err)
	}
	out := map[string]corev1.Pod{}
	for _, pod := range list.Items {
		node := pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchFields[0].Values[0]
		out[node] = pod
	}
	return out
}

// images says which image the pod on each node has.
func images(t testing.TB, c *multustest.Cluster) map[string]string {
	t.Helper()
	out := map[string]string{}
	for node, pod := range multusPods(t, c) {
		out[node] = pod.Spec.Containers[0].Image
	}
	return out
}
