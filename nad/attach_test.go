package nad_test

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/multihome/multihome/nad"
)

const networks = netattdefv1.NetworkAttachmentAnnot

func TestAttach(t *testing.T) {
	tests := []struct {
		name, before string
		attach       []nad.Attachment
		want         string
	}{
		{"first", "", []nad.Attachment{{Name: "lan"}}, "lan"},
		{"nothing", "", nil, ""},
		{"nothing beside something", " a , b", nil, " a , b"},
		{"short form", "", []nad.Attachment{{Name: "lan", Namespace: "infra", Interface: "net1"}, {Name: "dmz"}}, "infra/lan@net1,dmz"},
		{"one more", "lan", []nad.Attachment{{Name: "dmz"}}, "lan,dmz"},
		{"the same again", " lan ", []nad.Attachment{{Name: "lan"}}, " lan "},
		{"the same with its namespace", "lan", []nad.Attachment{{Name: "lan", Namespace: "shop"}}, "shop/lan"},
		{"the same with more", "lan,dmz", []nad.Attachment{{Name: "lan", MAC: "02:00:00:00:00:01"}}, `[{"name":"lan","mac":"02:00:00:00:00:01"},{"name":"dmz"}]`},
		{"one network twice", "lan", []nad.Attachment{{Name: "lan", Interface: "second"}}, "lan,lan@second"},
		{"a name with a dot", "lan", []nad.Attachment{{Name: "my.lan"}}, `[{"name":"lan"},{"name":"my.lan"}]`},
		{"an interface with a comma", "", []nad.Attachment{{Name: "lan", Interface: "a,b"}}, `[{"name":"lan","interface":"a,b"}]`},
		{"an interface with @", "", []nad.Attachment{{Name: "lan", Interface: "a@b"}}, `[{"name":"lan","interface":"a@b"}]`},
		{"back to the short form", `[{"name":"lan","mac":"02:00:00:00:00:01"}]`, []nad.Attachment{{Name: "lan"}}, "lan"},
		{"default route kept apart", "", []nad.Attachment{{Name: "lan", DefaultRoute: []string{}}}, `[{"name":"lan","default-route":[]}]`},
		{"unknown keys stay", `[{"name":"lan","x":{"b":1,"a":[true]}}]`, []nad.Attachment{{Name: "dmz"}}, `[{"name":"lan","x":{"b":1,"a":[true]}},{"name":"dmz"}]`},
		{"everything", "", []nad.Attachment{{
			Name: "lan", IPs: []string{"10.0.0.5/24"}, InfinibandGUID: "02:00:00:00:00:00:00:0A",
			PortMappings: []nad.PortMapping{{HostPort: 8080, ContainerPort: 80}}, Bandwidth: &nad.Bandwidth{IngressRate: 1, IngressBurst: 2},
			CNIArgs: map[string]any{"n": 1, "s": "<>"}, DefaultRoute: []string{"10.0.0.1", "2001:db8::1"},
		}}, `[{"name":"lan","ips":["10.0.0.5/24"],"infiniband-guid":"02:00:00:00:00:00:00:0A","portMappings":[{"hostPort":8080,"containerPort":80}],` +
			`"bandwidth":{"ingressRate":1,"ingressBurst":2},"cni-args":{"n":1,"s":"<>"},"default-route":["10.0.0.1","2001:db8::1"]}]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pod := podWith("other", "stays")
			if tt.before != "" {
				pod.Annotations[networks] = tt.before
			}
			for range 2 { // the second time changes nothing
				if err := nad.Attach(pod, tt.attach...); err != nil {
					t.Fatal(err)
				}
				if got := pod.Annotations[networks]; got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
			}
			if pod.Annotations["other"] != "stays" {
				t.Errorf("got annotations %v", pod.Annotations)
			}
		})
	}
}

func TestAttachErrors(t *testing.T) {
	tests := []struct {
		name, before string
		attach       []nad.Attachment
		want         []string
	}{
		{"broken before", "[null]", []nad.Attachment{{Name: "lan"}}, []string{"Multus panics on null"}},
		{"no name", "", []nad.Attachment{{}}, []string{"[0].name: Required value"}},
		{"all problems at once", "", []nad.Attachment{{Name: "lan", MAC: "x", IPs: []string{"y"}}, {Name: "dmz", Namespace: "A"}}, []string{
			"[0].ips[0]: Invalid value", "[0].mac: Invalid value", "[1].namespace: Invalid value",
		}},
		{"twice in one call", "", []nad.Attachment{{Name: "lan"}, {Name: "lan", Namespace: "shop"}}, []string{`attachments[1]: Duplicate value: "shop/lan"`}},
		{"eth0", "", []nad.Attachment{{Name: "lan", Interface: "eth0"}}, []string{"every pod has its own eth0"}},
		{"lo", "", []nad.Attachment{{Name: "lan", Interface: "lo"}}, []string{"every pod has its own lo"}},
		{"one interface twice", "a@x", []nad.Attachment{{Name: "b", Interface: "x"}}, []string{`[1].interface: Invalid value: "x": is the interface of element 0 already`}},
		{"default name taken", "a@net2", []nad.Attachment{{Name: "b"}}, []string{`[1].interface: Invalid value: "net2": is the interface of element 0 already`}},
		{"two gateways of a family", "", []nad.Attachment{{Name: "a", DefaultRoute: []string{"10.0.0.1"}}, {Name: "b", DefaultRoute: []string{"10.1.0.1"}}}, []string{"[1].default-route[0]: Forbidden: Multus takes one gateway"}},
		{"mac too long", "", []nad.Attachment{{Name: "a", MAC: "02:00:00:00:00:00:00:01"}}, []string{"[0].mac: Invalid value: \"02:00:00:00:00:00:00:01\": must have 6 bytes"}},
		{"mac multicast", "", []nad.Attachment{{Name: "a", MAC: "01:00:00:00:00:01"}}, []string{"must not be a multicast address"}},
		{"mac zero", "", []nad.Attachment{{Name: "a", MAC: "00-00-00-00-00-00"}}, []string{"must not be zero"}},
		{"guid too short", "", []nad.Attachment{{Name: "a", InfinibandGUID: "02:00:00:00:00:01"}}, []string{"must have 8 bytes"}},
		{"claim and addresses", "", []nad.Attachment{{Name: "a", IPAMClaim: "c", IPs: []string{"10.0.0.1/24"}}}, []string{"[0].ips: Forbidden"}},
		{"ports", "", []nad.Attachment{{Name: "a", PortMappings: []nad.PortMapping{{HostPort: 70000, Protocol: "icmp", HostIP: "x"}}}}, []string{
			"[0].portMappings[0].containerPort: Invalid value: 0: must be from 1 to 65535", "[0].portMappings[0].hostIP: Invalid value", "hostPort: Invalid value: 70000", "protocol: Unsupported value",
		}},
		{"bandwidth", "", []nad.Attachment{{Name: "a", Bandwidth: &nad.Bandwidth{IngressRate: 1, EgressBurst: -1}}}, []string{
			"bandwidth.egressBurst: Invalid value: -1: must not be negative", "bandwidth.ingressBurst: Required value: a rate and its burst go together",
		}},
		{"bandwidth empty", "", []nad.Attachment{{Name: "a", Bandwidth: &nad.Bandwidth{}}}, []string{"bandwidth: Required value"}},
		{"extra", "", []nad.Attachment{{Name: "a", Extra: map[string]json.RawMessage{"MAC": json.RawMessage("1"), "x": json.RawMessage("{")}}}, []string{
			"[0].MAC: Forbidden: has a field of its own, for mac", "[0].x: Invalid value: \"{\": must be JSON",
		}},
		{"cni-args", "", []nad.Attachment{{Name: "a", CNIArgs: map[string]any{"x": make(chan int)}}}, []string{"unsupported type: chan int"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pod := podWith(networks, tt.before)
			before := pod.DeepCopy()
			err := nad.Attach(pod, tt.attach...)
			if err == nil || !strings.HasPrefix(err.Error(), "Pod shop/web: ") {
				t.Fatalf("got error %v", err)
			}
			rest := err.Error()
			for _, want := range tt.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("no %q, or not in its place, in:\n%s", want, err)
				}
				rest = after
			}
			if diff := cmp.Diff(before, pod); diff != "" {
				t.Errorf("pod changed (-before +after):\n%s", diff)
			}
		})
	}
	var invalid *field.Error
	if err := nad.Attach(&corev1.Pod{}, nad.Attachment{}); !errors.As(err, &invalid) || invalid.Type != field.ErrorTypeRequired {
		t.Errorf("got %v, want a *field.Error inside", err)
	}
}

// TestAttachKeepsNothing: what a caller does with his slices later is seen by
// nobody, and a map that other objects share is not written to.
func TestAttachKeepsNothing(t *testing.T) {
	pod := podWith("other", "stays")
	shared := pod.Annotations
	before := maps.Clone(shared)
	if err := nad.Attach(pod, nad.Attachment{Name: "lan"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, shared); diff != "" {
		t.Errorf("the map of annotations was changed in place (-want +got):\n%s", diff)
	}
}

func TestDetach(t *testing.T) {
	tests := []struct {
		name, before string
		detach       []nad.Attachment
		want         string
		gone         bool
	}{
		{"last", "lan", []nad.Attachment{{Name: "lan"}}, "", true},
		{"one of two", "lan,dmz", []nad.Attachment{{Name: "lan"}}, "dmz", false},
		{"with namespace", "lan,other/lan", []nad.Attachment{{Name: "lan", Namespace: "shop"}}, "other/lan", false},
		{"every interface", "lan@a,dmz,lan@b", []nad.Attachment{{Name: "lan"}}, "dmz", false},
		{"one interface", "lan@a,dmz,lan@b", []nad.Attachment{{Name: "lan", Interface: "a"}}, "dmz,lan@b", false},
		{"not attached", " lan", []nad.Attachment{{Name: "dmz"}}, " lan", false},
		{"several", "a,b,c", []nad.Attachment{{Name: "a"}, {Name: "c"}}, "b", false},
		{"no annotation", "", []nad.Attachment{{Name: "dmz"}}, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pod := podWith("other", "stays")
			if tt.before != "" {
				pod.Annotations[networks] = tt.before
			}
			if err := nad.Detach(pod, tt.detach...); err != nil {
				t.Fatal(err)
			}
			got, exists := pod.Annotations[networks]
			if got != tt.want || exists == tt.gone {
				t.Errorf("got %q, exists %t; want %q, %t", got, exists, tt.want, !tt.gone)
			}
		})
	}
	if err := nad.Detach(podWith(networks, "[null]"), nad.Attachment{Name: "lan"}); err == nil {
		t.Error("no error for a broken annotation")
	}
}

func TestSetDefaultNetwork(t *testing.T) {
	pod := podWith("other", "stays")
	steps := []struct {
		network *nad.Attachment
		want    map[string]string
	}{
		{nil, map[string]string{"other": "stays"}},
		{&nad.Attachment{Name: "lan", Interface: "eth0"}, map[string]string{"other": "stays", nad.DefaultNetworkAnnotation: "lan@eth0"}},
		{&nad.Attachment{Name: "a.b"}, map[string]string{"other": "stays", nad.DefaultNetworkAnnotation: `[{"name":"a.b"}]`}},
		{nil, map[string]string{"other": "stays"}},
	}
	for _, step := range steps {
		if err := nad.SetDefaultNetwork(pod, step.network); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, pod.Annotations); diff != "" {
			t.Errorf("%v (-want +got):\n%s", step.network, diff)
		}
	}
	if err := nad.SetDefaultNetwork(pod, &nad.Attachment{}); err == nil || len(pod.Annotations) != 1 {
		t.Errorf("got error %v and annotations %v", err, pod.Annotations)
	}
}

// TestTemplates: the annotation goes where the pods get it from.
func TestTemplates(t *testing.T) {
	meta := metav1.ObjectMeta{Name: "web", Namespace: "shop"}
	deployment := &appsv1.Deployment{ObjectMeta: meta}
	statefulSet := &appsv1.StatefulSet{ObjectMeta: meta}
	daemonSet := &appsv1.DaemonSet{ObjectMeta: meta}
	replicaSet := &appsv1.ReplicaSet{ObjectMeta: meta}
	job := &batchv1.Job{ObjectMeta: meta}
	cronJob := &batchv1.CronJob{ObjectMeta: meta}
	controller := &corev1.ReplicationController{ObjectMeta: meta, Spec: corev1.ReplicationControllerSpec{Template: &corev1.PodTemplateSpec{}}}
	template := &corev1.PodTemplate{ObjectMeta: meta}
	pod := &corev1.Pod{ObjectMeta: meta}
	object := func(kind string, spec map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"kind": kind, "metadata": map[string]any{"name": "web", "namespace": "shop"}, "spec": spec}}
	}
	machine := object("VirtualMachine", map[string]any{"template": map[string]any{"spec": map[string]any{}}})
	cron := object("CronJob", map[string]any{"jobTemplate": map[string]any{"spec": map[string]any{"template": map[string]any{}}}})
	plain := object("Pod", map[string]any{"containers": []any{}})
	nested := func(u *unstructured.Unstructured, path ...string) func() map[string]string {
		return func() map[string]string {
			annotations, _, _ := unstructured.NestedStringMap(u.Object, path...)
			return annotations
		}
	}
	tests := []struct {
		name   string
		obj    metav1.Object
		got    func() map[string]string
		prefix string
	}{
		{"Deployment", deployment, deployment.Spec.Template.GetAnnotations, "spec.template."},
		{"StatefulSet", statefulSet, statefulSet.Spec.Template.GetAnnotations, "spec.template."},
		{"DaemonSet", daemonSet, daemonSet.Spec.Template.GetAnnotations, "spec.template."},
		{"ReplicaSet", replicaSet, replicaSet.Spec.Template.GetAnnotations, "spec.template."},
		{"Job", job, job.Spec.Template.GetAnnotations, "spec.template."},
		{"CronJob", cronJob, cronJob.Spec.JobTemplate.Spec.Template.GetAnnotations, "spec.jobTemplate.spec.template."},
		{"ReplicationController", controller, controller.Spec.Template.GetAnnotations, "spec.template."},
		{"PodTemplate", template, template.Template.GetAnnotations, "template."},
		{"Pod", pod, pod.GetAnnotations, ""},
		{"VirtualMachine", machine, nested(machine, "spec", "template", "metadata", "annotations"), "spec.template."},
		{"CronJob", cron, nested(cron, "spec", "jobTemplate", "spec", "template", "metadata", "annotations"), "spec.jobTemplate.spec.template."},
		{"Pod", plain, nested(plain, "metadata", "annotations"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := nad.Attach(tt.obj, nad.Attachment{Name: "lan"}); err != nil {
				t.Fatal(err)
			}
			if got := tt.got()[networks]; got != "lan" {
				t.Errorf("got annotation %q", got)
			}
			// The network of the object's own namespace is found, wherever the annotation is.
			if err := nad.Attach(tt.obj, nad.Attachment{Name: "lan", Namespace: "shop"}); err != nil {
				t.Fatal(err)
			}
			if got, err := nad.Attachments(tt.obj); err != nil || len(got) != 1 {
				t.Errorf("got %v, %v", got, err)
			}
			err := nad.Attach(tt.obj, nad.Attachment{})
			want := tt.name + " shop/web: " + tt.prefix + "metadata.annotations[k8s.v1.cni.cncf.io/networks][1].name: Required value"
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got error %v, want one with %s", err, want)
			}
		})
	}
}

// byValue is a metav1.Object that is no pointer.
type byValue struct{ metav1.Object }

func TestUnusableObjects(t *testing.T) {
	var none *corev1.Pod
	broken := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"annotations": map[string]any{"x": 1}}}}
	tests := []struct {
		name string
		obj  metav1.Object
		want string
	}{
		{"nil", nil, "object: must not be nil"},
		{"nil pointer", none, "object: must not be nil"},
		{"no template", &corev1.ReplicationController{}, "spec.template: Required value"},
		{"annotations that are no strings", broken, "metadata.annotations: must be a map of strings"},
		{"not a pointer", byValue{podWith(networks, "[null]")}, "byValue shop/web: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, attachments := nad.Attachments(tt.obj)
			_, status := nad.Status(tt.obj)
			_, network := nad.DefaultNetwork(tt.obj)
			errs := map[string]error{"Attach": nad.Attach(tt.obj), "Detach": nad.Detach(tt.obj), "Attachments": attachments}
			if tt.name != "not a pointer" {
				maps.Copy(errs, map[string]error{"Status": status, "DefaultNetwork": network, "SetDefaultNetwork": nad.SetDefaultNetwork(tt.obj, nil)})
			}
			for call, err := range errs {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: got error %v, want %q", call, err, tt.want)
				}
			}
		})
	}
}

func TestAttachmentKey(t *testing.T) {
	for a, want := range map[string]string{"lan": "shop/lan", "infra/lan@net1": "infra/lan"} {
		all, err := nad.Attachments(podWith(networks, a))
		if err != nil {
			t.Fatal(err)
		}
		if got := all[0].Key("shop").String(); got != want || all[0].String() != a {
			t.Errorf("%s: got key %s and text %s", a, got, all[0])
		}
	}
}
