package multustest_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus/multustest"
)

// figures of a DaemonSet: generation observed/desired/current/updated/ready/
// available/unavailable.
func figures(t *testing.T, c *multustest.Cluster) string {
	t.Helper()
	s := get[appsv1.DaemonSet](t, c, "kube-system", "kube-multus-ds").Status
	return fmt.Sprintf("%d: %d/%d/%d/%d/%d/%d", s.ObservedGeneration, s.DesiredNumberScheduled, s.CurrentNumberScheduled,
		s.UpdatedNumberScheduled, s.NumberReady, s.NumberAvailable, s.NumberUnavailable)
}

func TestRolloutAuto(t *testing.T) {
	c := newCluster(t, multustest.Options{Nodes: threeNodes, PrimaryCNI: "cilium"})
	apply(t, c, multusSet("multus:1"))
	if got, want := figures(t, c), "1: 3/3/3/3/3/0"; got != want {
		t.Errorf("figures %s, want %s", got, want)
	}
	first := multusPods(t, c)
	pod := first["worker-1"]
	owner := metav1.GetControllerOf(&pod)
	if owner == nil || owner.Kind != "DaemonSet" || owner.Name != "kube-multus-ds" {
		t.Errorf("owner %+v", owner)
	}
	if pod.Labels["controller-revision-hash"] == "" || pod.Labels["pod-template-generation"] != "1" || !strings.HasPrefix(pod.Name, "kube-multus-ds-") {
		t.Errorf("pod %s with labels %v", pod.Name, pod.Labels)
	}
	if pod.Status.PodIP != pod.Status.HostIP || pod.Status.Phase != corev1.PodRunning || len(pod.Status.InitContainerStatuses) != 1 {
		t.Errorf("status %+v", pod.Status)
	}
	apply(t, c, multusSet("multus:1"))
	if diff := cmp.Diff(first, multusPods(t, c)); diff != "" {
		t.Errorf("an unchanged template rolled:\n%s", diff)
	}
	apply(t, c, multusSet("multus:2"))
	if got, want := figures(t, c), "2: 3/3/3/3/3/0"; got != want {
		t.Errorf("figures %s, want %s", got, want)
	}
	for node, pod := range multusPods(t, c) {
		if pod.Name == first[node].Name || pod.Spec.Containers[0].Image != "multus:2" {
			t.Errorf("%s still has %s", node, pod.Name)
		}
	}
	revisions := &appsv1.ControllerRevisionList{}
	if err := c.Client().List(t.Context(), revisions, client.MatchingLabels{"app": "multus"}); err != nil {
		t.Fatal(err)
	}
	var numbers []int64
	for _, revision := range revisions.Items {
		numbers = append(numbers, revision.Revision)
	}
	slices.Sort(numbers)
	if diff := cmp.Diff([]int64{1, 2}, numbers); diff != "" {
		t.Errorf("revisions (-want +got):\n%s", diff)
	}
}

func TestRolloutManual(t *testing.T) {
	c := newCluster(t, multustest.Options{Nodes: threeNodes, Rollout: multustest.RolloutManual})
	steps := func() []string {
		var out []string
		for {
			node, ok := c.Step()
			if !ok {
				return out
			}
			out = append(out, node+" "+figures(t, c))
		}
	}
	if got := steps(); got != nil {
		t.Errorf("steps %v before there is anything to do", got)
	}
	apply(t, c, multusSet("multus:1"))
	if got, want := figures(t, c), "1: 3/0/0/0/0/3"; got != want {
		t.Errorf("figures %s, want %s", got, want)
	}
	want := []string{"cp-1 1: 3/1/1/1/1/2", "worker-1 1: 3/2/2/2/2/1", "worker-2 1: 3/3/3/3/3/0"}
	if diff := cmp.Diff(want, steps()); diff != "" {
		t.Errorf("install (-want +got):\n%s", diff)
	}
	apply(t, c, multusSet("multus:2"))
	if got, want := figures(t, c), "2: 3/3/0/3/3/0"; got != want {
		t.Errorf("figures %s, want %s", got, want)
	}
	c.SetFault("worker-1", multustest.FaultCrashLoop)
	want = []string{"cp-1 2: 3/3/1/3/3/0", "worker-1 2: 3/3/2/2/2/1"}
	if diff := cmp.Diff(want, steps()); diff != "" {
		t.Errorf("upgrade until it is stuck (-want +got):\n%s", diff)
	}
	c.SetFault("worker-1", multustest.FaultNone)
	want = []string{"worker-1 2: 3/3/2/3/3/0", "worker-2 2: 3/3/3/3/3/0"}
	if diff := cmp.Diff(want, steps()); diff != "" {
		t.Errorf("upgrade after healing (-want +got):\n%s", diff)
	}
}

func TestRoll(t *testing.T) {
	c := newCluster(t, multustest.Options{Nodes: threeNodes, Rollout: multustest.RolloutManual})
	if err := c.Roll("worker-1"); err == nil || !strings.Contains(err.Error(), "roll node worker-1: no DaemonSet") {
		t.Errorf("error %v", err)
	}
	if err := c.Roll("worker-9"); err == nil || !strings.Contains(err.Error(), "roll node worker-9: there is no such node") {
		t.Errorf("error %v", err)
	}
	apply(t, c, multusSet("multus:1"))
	for range 2 {
		before := multusPods(t, c)["worker-2"].Name
		if err := c.Roll("worker-2"); err != nil {
			t.Fatal(err)
		}
		if after := multusPods(t, c)["worker-2"].Name; after == before || after == "" {
			t.Errorf("pod %q, before %q", after, before)
		}
	}
	if got, want := figures(t, c), "1: 3/1/1/1/1/2"; got != want {
		t.Errorf("figures %s, want %s", got, want)
	}
	c.SetFault("worker-2", multustest.FaultOOM)
	if got, want := figures(t, c), "1: 3/1/1/1/1/2"; got != want {
		t.Errorf("a running pod was struck: figures %s, want %s", got, want)
	}
	if err := c.Roll("worker-2"); err != nil {
		t.Fatal(err)
	}
	if got, want := figures(t, c), "1: 3/1/1/0/0/3"; got != want {
		t.Errorf("figures %s, want %s", got, want)
	}
}

func TestUpdateStrategies(t *testing.T) {
	rolling := func(n intstr.IntOrString) appsv1.DaemonSetUpdateStrategy {
		return appsv1.DaemonSetUpdateStrategy{RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: &n}}
	}
	tests := []struct {
		name     string
		strategy appsv1.DaemonSetUpdateStrategy
		rolled   []string // until it is stuck: every new pod fails
	}{
		{"default", appsv1.DaemonSetUpdateStrategy{}, []string{"cp-1"}},
		{"two", rolling(intstr.FromInt32(2)), []string{"cp-1", "worker-1"}},
		{"half", rolling(intstr.FromString("50%")), []string{"cp-1", "worker-1"}},
		{"nonsense", rolling(intstr.FromString("x")), []string{"cp-1"}},
		{"on delete", appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, multustest.Options{Nodes: threeNodes})
			set := multusSet("multus:1")
			set.Spec.UpdateStrategy = test.strategy
			if err := c.Client().Create(t.Context(), set); err != nil {
				t.Fatal(err)
			}
			for _, node := range threeNodes {
				c.SetFault(node.Name, multustest.FaultImagePull)
			}
			set.Spec.Template.Spec.Containers[0].Image = "multus:2"
			set.ResourceVersion = ""
			if err := c.Client().Update(t.Context(), set); err != nil {
				t.Fatal(err)
			}
			var rolled []string
			for node, image := range images(t, c) {
				if image == "multus:2" {
					rolled = append(rolled, node)
				}
			}
			slices.Sort(rolled)
			if diff := cmp.Diff(test.rolled, rolled); diff != "" {
				t.Errorf("rolled (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPlacement: which nodes a DaemonSet runs on, now and after a change.
func TestPlacement(t *testing.T) {
	affinity := func(terms ...corev1.NodeSelectorRequirement) func(*corev1.PodSpec) {
		return func(spec *corev1.PodSpec) {
			var all []corev1.NodeSelectorTerm
			for _, term := range terms {
				all = append(all, corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{term}})
			}
			spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
				RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: all},
			}}
		}
	}
	const arch = "kubernetes.io/arch"
	nodes := []multustest.Node{
		{Name: "arm", Architecture: "arm64"},
		{Name: "cordoned", Unschedulable: true},
		{Name: "cp", ControlPlane: true},
		{Name: "gpu", Labels: map[string]string{"gpu": "yes"}, Taints: []corev1.Taint{
			{Key: "gpu", Value: "yes", Effect: corev1.TaintEffectNoExecute}, {Key: "busy", Effect: corev1.TaintEffectPreferNoSchedule},
		}},
	}
	tests := []struct {
		name string
		spec func(*corev1.PodSpec)
		want []string
	}{
		{"tolerates NoSchedule", func(*corev1.PodSpec) {}, []string{"arm", "cordoned", "cp"}},
		{"tolerates nothing", func(s *corev1.PodSpec) { s.Tolerations = nil }, []string{"arm", "cordoned"}},
		{"tolerates everything", func(s *corev1.PodSpec) { s.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}} }, []string{"arm", "cordoned", "cp", "gpu"}},
		{"tolerates a value", func(s *corev1.PodSpec) {
			s.Tolerations = []corev1.Toleration{{Key: "gpu", Value: "yes"}, {Key: "node-role.kubernetes.io/control-plane", Value: "no"}}
		}, []string{"arm", "cordoned", "gpu"}},
		{"node selector", func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{arch: "arm64"} }, []string{"arm"}},
		{"in", affinity(corev1.NodeSelectorRequirement{Key: arch, Operator: corev1.NodeSelectorOpIn, Values: []string{"arm64"}}), []string{"arm"}},
		{"not in", affinity(corev1.NodeSelectorRequirement{Key: arch, Operator: corev1.NodeSelectorOpNotIn, Values: []string{"arm64"}}), []string{"cordoned", "cp"}},
		{"exists", affinity(corev1.NodeSelectorRequirement{Key: "node-role.kubernetes.io/control-plane", Operator: corev1.NodeSelectorOpExists}), []string{"cp"}},
		{"does not exist", affinity(corev1.NodeSelectorRequirement{Key: "node-role.kubernetes.io/control-plane", Operator: corev1.NodeSelectorOpDoesNotExist}), []string{"arm", "cordoned"}},
		{"unknown operator", affinity(corev1.NodeSelectorRequirement{Key: "a", Operator: "Like"}), nil},
		{
			"one of two", affinity(
				corev1.NodeSelectorRequirement{Key: arch, Operator: corev1.NodeSelectorOpIn, Values: []string{"arm64"}},
				corev1.NodeSelectorRequirement{Key: "node-role.kubernetes.io/control-plane", Operator: corev1.NodeSelectorOpExists},
			), []string{"arm", "cp"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, multustest.Options{Nodes: nodes})
			set := multusSet("multus:1")
			test.spec(&set.Spec.Template.Spec)
			if err := c.Client().Create(t.Context(), set); err != nil {
				t.Fatal(err)
			}
			got := slices.Sorted(maps.Keys(images(t, c)))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("nodes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNodesComeAndGo(t *testing.T) {
	c := newCluster(t, multustest.Options{Nodes: threeNodes})
	apply(t, c, multusSet("multus:1"))
	joined := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker-3"}}
	if err := c.Client().Create(t.Context(), joined); err != nil {
		t.Fatal(err)
	}
	if got, want := figures(t, c), "1: 4/4/4/4/4/0"; got != want {
		t.Errorf("figures %s, want %s", got, want)
	}
	if err := c.Client().Delete(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker-1"}}); err != nil {
		t.Fatal(err)
	}
	joined.Spec.Taints = []corev1.Taint{{Key: "down", Effect: corev1.TaintEffectNoSchedule}}
	set := get[appsv1.DaemonSet](t, c, "kube-system", "kube-multus-ds")
	set.Spec.Template.Spec.Tolerations = nil
	if err := c.Client().Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if err := c.Client().Update(t.Context(), joined); err != nil {
		t.Fatal(err)
	}
	set = get[appsv1.DaemonSet](t, c, "kube-system", "kube-multus-ds")
	// The pods on the control plane and on worker-3 stay where no pod may
	// start: such taints do not evict.
	if s := set.Status; s.DesiredNumberScheduled != 1 || s.CurrentNumberScheduled != 1 || s.NumberMisscheduled != 2 {
		t.Errorf("status %+v", s)
	}
	joined.Spec.Taints[0].Effect = corev1.TaintEffectNoExecute
	if err := c.Client().Update(t.Context(), joined); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(images(t, c))); cmp.Diff([]string{"cp-1", "worker-2"}, got) != "" {
		t.Errorf("pods on %v", got)
	}
}

func TestDeletedPodComesBack(t *testing.T) {
	c := newCluster(t, multustest.Options{})
	apply(t, c, multusSet("multus:1"))
	pod := multusPods(t, c)["node-1"]
	if err := c.Client().Delete(t.Context(), &pod); err != nil {
		t.Fatal(err)
	}
	if again := multusPods(t, c)["node-1"]; again.Name == "" || again.Name == pod.Name {
		t.Errorf("pod %q after %q was deleted", again.Name, pod.Name)
	}
}

// TestRolloutIsWatched: the events of an update on one node, in order.
func TestRolloutIsWatched(t *testing.T) {
	c := newCluster(t, multustest.Options{PrimaryCNI: "none"})
	apply(t, c, multusSet("multus:1"))
	old := multusPods(t, c)["node-1"].Name
	w, err := c.Client().Watch(t.Context(), &corev1.PodList{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	apply(t, c, multusSet("multus:2"))
	fresh := multusPods(t, c)["node-1"].Name
	expect(t, w, "ADDED "+old, "DELETED "+old, "ADDED "+fresh, "MODIFIED "+fresh)
}

// TestUpdateReachesNewNodes: an update that also brings nodes, by name behind
// those that wait for them, ends at every node.
func TestUpdateReachesNewNodes(t *testing.T) {
	c := newCluster(t, multustest.Options{Nodes: []multustest.Node{{Name: "a"}, {Name: "b", Architecture: "arm64"}}})
	set := multusSet("multus:1")
	set.Spec.Template.Spec.NodeSelector = map[string]string{"kubernetes.io/arch": "amd64"}
	if err := c.Client().Create(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if err := c.Client().Get(t.Context(), client.ObjectKeyFromObject(set), set); err != nil {
		t.Fatal(err)
	}
	set.Spec.Template.Spec.NodeSelector = nil
	set.Spec.Template.Spec.Containers[0].Image = "multus:2"
	if err := c.Client().Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a": "multus:2", "b": "multus:2"}, images(t, c)); diff != "" {
		t.Errorf("images by node (-want +got):\n%s", diff)
	}
}
