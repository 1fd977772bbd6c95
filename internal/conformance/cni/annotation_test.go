package cni_test

import (
	"cmp"
	"fmt"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"gopkg.in/k8snetworkplumbingwg/multus-cni.v4/pkg/k8sclient"
	"gopkg.in/k8snetworkplumbingwg/multus-cni.v4/pkg/logging"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/multihome/multihome/nad"
)

// annotations are values of k8s.v1.cni.cncf.io/networks. Where right is empty,
// nad.Attachments and Multus agree; else it says why nad refuses what Multus
// reads.
var annotations = []struct{ text, right string }{
	{"a", ""},
	{"a,b", ""},
	{" a , b ", ""},
	{"a,a", ""},
	{"ns/a", ""},
	{"ns/a@net5", ""},
	{"a@net1.100", ""},
	{"a@Net1", ""},
	{"ns /a", ""},
	{"a @net1", ""},
	{"a@abcdefghijklmno", ""},
	{"a@abcdefghijklmnop", ""},
	{"a@a b", ""},
	{"a@a/b", ""},
	{"a@b@c", ""},
	{"a/b/c", ""},
	{"A", ""},
	{"-a", ""},
	{"a-", ""},
	{"my.net", ""},
	{"a_b", ""},
	{"[]", ""},
	{"{}", ""},
	{`{"name":"a"}`, ""},
	{`"a"`, ""},
	{`["a"]`, ""},
	{`[5]`, ""},
	{`[{"name":"a"}`, ""},
	{`[{"name":"a"}] x`, ""},
	{`[{"name":"a"}]`, ""},
	{`[{"NAME":"a"}]`, ""},
	{`[{"name":"my.net"}]`, ""},
	{`[{"name":"a","namespace":"ns","interface":"net5"}]`, ""},
	{`[{"name":"a","unknown":5}]`, ""},
	{`[{"name":5}]`, ""},
	{`[{"name":"a","mac":"02:00:00:00:00:01"}]`, ""},
	{`[{"name":"a","mac":"02-00-00-00-00-01"}]`, ""},
	{`[{"name":"a","mac":"02:00:00:00:00:00:00:01"}]`, ""},
	{`[{"name":"a","mac":"zz"}]`, ""},
	{`[{"name":"a","infiniband-guid":"zz"}]`, ""},
	{`[{"name":"a","infiniband-guid":"c2:11:22:33:44:55:66:77"}]`, ""},
	{`[{"name":"a","ips":["10.7.0.5"]}]`, ""},
	{`[{"name":"a","ips":["10.7.0.5/24","2001:db8::5/64"]}]`, ""},
	{`[{"name":"a","ips":["10.7.0.5/33"]}]`, ""},
	{`[{"name":"a","ips":["x"]}]`, ""},
	{`[{"name":"a","ips":[""]}]`, ""},
	{`[{"name":"a","ips":"10.7.0.5"}]`, ""},
	{`[{"name":"a","ips":[]}]`, ""},
	{`[{"name":"a","default-route":["10.7.0.1"]}]`, ""},
	{`[{"name":"a","default-route":[]}]`, ""},
	{`[{"name":"a","default-route":null}]`, ""},
	{`[{"name":"a","default-route":["x"]}]`, ""},
	{`[{"name":"a","portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}]`, ""},
	{`[{"name":"a","portMappings":[{"hostPort":"8080"}]}]`, ""},
	{`[{"name":"a","bandwidth":{"ingressRate":80000,"ingressBurst":80000}}]`, ""},
	{`[{"name":"a","bandwidth":{"ingressRate":"1M"}}]`, ""},
	{`[{"name":"a","cni-args":{"a":1}}]`, ""},
	{`[{"name":"a","cni-args":5}]`, ""},
	{"a,", "a network without a name is looked for, and the pod waits for it"},
	{",", "a network without a name is looked for, and the pod waits for it"},
	{"ns/", "a network without a name is looked for, and the pod waits for it"},
	{"@net5", "a network without a name is looked for, and the pod waits for it"},
	{`[{}]`, "a network without a name is looked for, and the pod waits for it"},
	{`[{"namespace":"ns"}]`, "a network without a name is looked for, and the pod waits for it"},
	{`[null]`, "Multus panics"},
	{`[{"name":"a"},null]`, "Multus panics"},
	{"a@a:b", "libcni refuses the interface when the pod starts"},
	{"a@..", "libcni refuses the interface when the pod starts"},
	{`[{"name":"a","interface":"abcdefghijklmnop"}]`, "libcni refuses the interface when the pod starts"},
	{`[{"name":"a","interface":"a/b"}]`, "libcni refuses the interface when the pod starts"},
}

// TestAnnotations: nad reads what Multus does, and refuses what Multus refuses
// or what it should.
func TestAnnotations(t *testing.T) {
	logging.SetLogStderr(false)
	for _, tt := range annotations {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", Annotations: map[string]string{"k8s.v1.cni.cncf.io/networks": tt.text}}}
		want, refusal := asMultus(pod)
		all, err := nad.Attachments(pod)
		var got []string
		for _, a := range all {
			got = append(got, fmt.Sprint(cmp.Or(a.Namespace, "shop"), a.Name, a.Interface, a.MAC, a.IPs, a.InfinibandGUID, a.DefaultRoute == nil, len(a.DefaultRoute), len(a.PortMappings), a.Bandwidth != nil))
		}
		switch {
		case tt.right != "" && (err == nil || refusal != nil && tt.right != "Multus panics"):
			t.Errorf("%s: nad says %v, Multus %v, want that nad alone refuses it: %s", tt.text, err, refusal, tt.right)
		case tt.right != "":
		case (err != nil) != (refusal != nil):
			t.Errorf("%s: nad says %v, Multus %v", tt.text, err, refusal)
		case err == nil:
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-Multus +nad):\n%s", tt.text, diff)
			}
		}
	}
}

// asMultus lets Multus read the annotation, and makes an error of a panic.
func asMultus(pod *corev1.Pod) (out []string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	all, err := k8sclient.GetPodNetwork(pod)
	for _, n := range all {
		gateways := 0
		if n.GatewayRequest != nil {
			gateways = len(*n.GatewayRequest)
		}
		out = append(out, fmt.Sprint(n.Namespace, n.Name, n.InterfaceRequest, n.MacRequest, n.IPRequest, n.InfinibandGUIDRequest, n.GatewayRequest == nil, gateways, len(n.PortMappingsRequest), n.BandwidthRequest != nil))
	}
	return out, err
}
