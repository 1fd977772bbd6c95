package multus_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
)

// TestAuditMissing holds what pods ask for against what they got.
func TestAuditMissing(t *testing.T) {
	tests := []struct {
		name    string
		asked   string
		got     []string
		missing []string
	}{
		{"met", "lan", []string{"shop/lan net1"}, nil},
		{"two met, in another order", "lan,storage/fast", []string{"storage/fast net2", "shop/lan net1"}, nil},
		{"nothing got", "lan, storage/fast@data", nil, []string{"shop/lan", "storage/fast@data"}},
		{"one got", "lan,wan", []string{"shop/lan net1"}, []string{"shop/wan"}},
		{"other namespace", "lan", []string{"other/lan net1"}, []string{"shop/lan"}},
		{"same network twice", "lan,lan", []string{"shop/lan net1", "shop/lan net2"}, nil},
		{"same network once", "lan,lan", []string{"shop/lan net1"}, []string{"shop/lan"}},
		{"named after unnamed", "lan,lan@net1", []string{"shop/lan net1"}, []string{"shop/lan"}},
		{"other interface", "lan@a", []string{"shop/lan b"}, []string{"shop/lan@a"}},
		{"same interface twice", "lan@a,lan@a", []string{"shop/lan a"}, []string{"shop/lan@a"}},
		{"device without interface", "lan@a", []string{"shop/lan -"}, nil},
		{"two interfaces of one network", "lan", []string{"shop/lan net1", "shop/lan net2"}, nil},
		{"JSON", `[{"name":"lan","namespace":"net","interface":"a"}]`, []string{"net/lan a"}, nil},
		{"empty", "", nil, nil},
		{"empty JSON", "[]", nil, nil},
		{"very many", strings.TrimSuffix(strings.Repeat("lan,", 100), ","), nil, strings.Fields(strings.Repeat("shop/lan ", 32))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, installer := onStage(t, append(multusOn(t), aPod("web", networksOf(tt.asked, tt.got...)))...)
			report := auditOf(t, installer, multus.AuditOptions{})
			var missing []string
			for _, pod := range report.Pods {
				missing = pod.Missing
			}
			if diff := cmp.Diff(tt.missing, missing); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
			if report.Clean() != (tt.missing == nil) {
				t.Errorf("clean %t: %s", report.Clean(), report)
			}
		})
	}
}

// TestAuditSkips: which pods count.
func TestAuditSkips(t *testing.T) {
	tests := []struct {
		name   string
		change func(*corev1.Pod)
		lost   int
		asking int
	}{
		{"running", func(*corev1.Pod) {}, 1, 1},
		{"no annotation", func(p *corev1.Pod) { p.Annotations = nil }, 0, 0},
		{"host network", func(p *corev1.Pod) { p.Spec.HostNetwork = true }, 0, 0},
		{"succeeded", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }, 0, 0},
		{"failed", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, 0, 0},
		{"no phase", func(p *corev1.Pod) { p.Status.Phase = "" }, 0, 0},
		{"no node", func(p *corev1.Pod) { waits(p); p.Spec.NodeName = "" }, 0, 0},
		{"being deleted", func(p *corev1.Pod) { p.DeletionTimestamp = new(minutes(1)) }, 0, 0},
		{"waiting, not for the network", waits, 0, 1},
		{"waiting for its image", func(p *corev1.Pod) {
			p.Status.Phase, p.Annotations = corev1.PodPending, networksOf("lan", "shop/lan net1")
		}, 0, 1},
		{"default network met", func(p *corev1.Pod) {
			p.Annotations = networksOf("", "kube-system/own eth0")
			p.Annotations["v1.multus-cni.io/default-network"] = "own"
		}, 0, 1},
		{"default network not met", func(p *corev1.Pod) {
			p.Annotations = map[string]string{"v1.multus-cni.io/default-network": "shop/own"}
		}, 1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, installer := onStage(t, append(multusOn(t), networkNAD("lan", ""), aPod("web", networksOf("lan"), tt.change))...)
			report := auditOf(t, installer, multus.AuditOptions{Namespaces: []string{"shop", "shop"}})
			if len(report.Pods) != tt.lost || report.Asking != tt.asking || report.Starting != tt.asking-tt.lost && tt.name == "waiting, not for the network" {
				t.Errorf("%s, want %d lost of %d", report, tt.lost, tt.asking)
			}
		})
	}
}

// TestAuditCauses: what is known of why a pod is lost.
func TestAuditCauses(t *testing.T) {
	running := aPod("web", networksOf("lan"))
	pending := aPod("web", networksOf("lan"), waits)
	with := func(objects []client.Object, more ...client.Object) []client.Object { return append(objects, more...) }
	lan := networkNAD("lan", `{"cniVersion":"1.0.0","type":"macvlan"}`)
	tests := []struct {
		name    string
		objects []client.Object
		code    string
		object  string
		says    string
	}{
		{"Multus was never there", with(nil, running, lan), "multus/not-installed", "Pod shop/web", ""},
		{
			"Multus came later", with(multusOn(t, func(ds *appsv1.DaemonSet, _ *corev1.Pod) { ds.CreationTimestamp = minutes(5) }), running, lan),
			"multus/installed-later", "Pod shop/web", "started at 2026-11-24T12:00:00Z, and Multus was installed at 2026-11-24T12:05:00Z",
		},
		{"Multus restarted", with(multusOn(t, restarted(-1, 1, "Completed")), running, lan), "multus/away", "Pod shop/web", "it runs on the node since 2026-11-24T12:01:00Z"},
		{"Multus was replaced", with(multusOn(t, func(_ *appsv1.DaemonSet, p *corev1.Pod) {
			p.CreationTimestamp = minutes(0)
			p.Status.ContainerStatuses[0].State.Running.StartedAt = minutes(2)
		}), running, lan), "multus/away", "Pod shop/web", ""},
		{"Multus was killed", with(multusOn(t, restarted(-1, 1, "OOMKilled")), running, lan), "multus/oom", "Node b", "lack of memory"},
		{"Multus crashes", with(multusOn(t, crashing), running, lan), "multus/crash", "Node b", "no socket"},
		{"Multus starts", with(multusOn(t, func(_ *appsv1.DaemonSet, p *corev1.Pod) { p.Status = corev1.PodStatus{} }), running, lan), "multus/unknown", "Pod shop/web", "Multus is starting"},
		{"Multus restarted long after", with(multusOn(t, restarted(30, 31, "Error")), running, lan), "multus/unknown", "Pod shop/web", "tells of no time before 2026-11-24T12:30:00Z"},
		{"Multus was there", with(multusOn(t), running, lan), "multus/bypassed", "Pod shop/web", "since 2026-11-24T11:00:00Z, before the pod started"},
		{"Multus is elsewhere", with(multusOn(t, func(_ *appsv1.DaemonSet, p *corev1.Pod) { p.Spec.NodeName = "c" }), running, lan), "multus/not-on-node", "Node b", ""},
		{"annotation changed", with(multusOn(t), aPod("web", networksOf("lan", []string{}...)), lan), "multus/changed-later", "Pod shop/web", ""},
		{"some networks", with(multusOn(t), aPod("web", networksOf("lan,wan", "shop/wan net1")), lan), "multus/changed-later", "Pod shop/web", ""},
		{"another sandbox", with(multusOn(t), aPod("web", networksOf("lan", "shop/lan net1"), func(p *corev1.Pod) {
			p.Status.PodIP, p.Status.PodIPs = "10.244.0.9", []corev1.PodIP{{IP: "10.244.0.9"}, {IP: "fd00::9"}}
		}), lan), "multus/stale-status", "Pod shop/web", "it has 10.244.0.7, 10.9.0.1, and the pod has 10.244.0.9, fd00::9"},
		{"annotation broken", with(multusOn(t), aPod("web", networksOf(`{"name":"lan"}`)), lan), "network/annotation-invalid", "Pod shop/web", "must be a JSON array"},
		{"default network broken", with(multusOn(t), aPod("web", map[string]string{"v1.multus-cni.io/default-network": ""}), lan), "network/annotation-invalid", "Pod shop/web", "default-network"},
		{"status broken", with(multusOn(t), aPod("web", map[string]string{"k8s.v1.cni.cncf.io/networks": "lan", "k8s.v1.cni.cncf.io/network-status": "{"}), lan), "network/status-invalid", "Pod shop/web", "network-status"},

		{"waits for the NAD", with(multusOn(t), pending), "network/nad-missing", "Pod shop/web", "no NetworkAttachmentDefinition lan in namespace shop"},
		{"waits for a NAD without type", with(multusOn(t), pending, networkNAD("lan", `{"name":"lan"}`)), "nad/required", "NetworkAttachmentDefinition shop/lan", " value: "},
		{"waits for a NAD that is no JSON", with(multusOn(t), pending, networkNAD("lan", `{`)), "nad/json", "NetworkAttachmentDefinition shop/lan", " value: "},
		{"waits for a NAD without plugins", with(multusOn(t), pending, networkNAD("lan", `{"plugins":[]}`)), "nad/plugins", "NetworkAttachmentDefinition shop/lan", " value: "},
		{"waits for a NAD with other plugins", with(multusOn(t), pending, networkNAD("lan", `{"plugins":{}}`)), "nad/type", "NetworkAttachmentDefinition shop/lan", " value: "},
		{"waits for Multus", with(multusOn(t, crashing), pending, lan), "multus/crash", "Node b", ""},
		{"waits, by event", with(multusOn(t), pending, lan, anEvent("1", "web", sandbox(`failed to find plugin "macvlan" in path [/opt/cni/bin]`), 1)), "network/plugin-missing", "Pod shop/web", "macvlan"},
		{"waits, by the latest event", with(multusOn(t), pending, lan, anEvent("2", "web", sandbox("Link not found"), 2), anEvent("1", "web", sandbox("device or resource busy"), 1), anEvent("3", "other", sandbox("device or resource busy"), 3)), "network/master-missing", "Pod shop/web", ""},
		{"waits, by an unknown event", with(multusOn(t), pending, lan, anEvent("1", "web", sandbox("error adding container to network \"lan\": cosmic rays"), 1)), "multus/unknown", "Pod shop/web", `tells why: "lan": cosmic rays`},
		{"waits, by another unknown event", with(multusOn(t), pending, lan, anEvent("1", "web", sandbox("cosmic rays"), 1)), "multus/unknown", "Pod shop/web", "Failed to create pod sandbox"},
		{"waits, event of a daemon that crashes", with(multusOn(t, crashing), pending, lan, anEvent("1", "web", sandbox("CmdAdd (shim): timed out waiting for the condition"), 1)), "multus/crash", "Node b", ""},
		{"waits, event of a daemon that was killed", with(multusOn(t, restarted(1, 2, "OOMKilled")), pending, lan, anEvent("1", "web", sandbox(`CmdAdd (shim): failed to send CNI request: Post "http://dummy/cni": EOF`), 1)), "multus/oom", "Node b", ""},
		{"waits, event of a daemon that recovered", with(multusOn(t), pending, lan, anEvent("1", "web", sandbox(`CmdAdd (shim): failed to send CNI request: Post "http://dummy/cni": EOF`), 1)), "multus/daemon-ended", "Pod shop/web", ""},
		{"waits, events of others", with(multusOn(t), pending, lan,
			func() client.Object {
				e := anEvent("1", "web", sandbox("Link not found"), 1)
				e.InvolvedObject.UID = "another"
				return e
			}(),
			anEvent("2", "web", "Failed to create pod sandbox: no space left on device", 1)), "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, installer := onStage(t, tt.objects...)
			report := auditOf(t, installer, multus.AuditOptions{})
			if tt.code == "" {
				if len(report.Pods) > 0 || report.Starting != 1 {
					t.Errorf("%s, want one that starts", report)
				}
				return
			}
			if len(report.Pods) != 1 {
				t.Fatalf("%s, want one lost", report)
			}
			pod := report.Pods[0]
			if pod.Cause.Code != tt.code || pod.Cause.Object != tt.object || !strings.Contains(pod.Cause.Message, tt.says) || pod.Cause.Remedy == "" || pod.Cause.Source == "" {
				t.Errorf("cause %+v, want %s of %s with %q", pod.Cause, tt.code, tt.object, tt.says)
			}
			if pod.Waiting != strings.HasPrefix(tt.name, "waits") || pod.Node != "b" || pod.Controller != "ReplicaSet web" {
				t.Errorf("pod %+v", pod)
			}
		})
	}
}

// TestAuditSurge: of two pods of Multus on a node the newer one counts, and one
// that is being deleted does not.
func TestAuditSurge(t *testing.T) {
	older := multusOn(t)
	newer := multusOn(t, func(_ *appsv1.DaemonSet, p *corev1.Pod) {
		p.Name, p.CreationTimestamp = "newer", minutes(-1)
		p.Status.ContainerStatuses[0].State.Running.StartedAt = minutes(1)
	})[1]
	gone := multusOn(t, func(_ *appsv1.DaemonSet, p *corev1.Pod) {
		p.Name, p.DeletionTimestamp = "gone", new(minutes(2))
		p.Status.ContainerStatuses[0].State.Running.StartedAt = minutes(3)
	})[1]
	for _, objects := range [][]client.Object{{older[0], older[1], newer, gone}, {older[0], gone, newer, older[1]}} {
		_, installer := onStage(t, append(objects, aPod("web", networksOf("lan")))...)
		report := auditOf(t, installer, multus.AuditOptions{})
		if got := report.Pods[0].Cause; got.Code != "multus/away" || !strings.Contains(got.Message, "12:01:00Z") {
			t.Errorf("cause %v", got)
		}
	}
}

// TestAuditEventTimes: an event tells in one of four places when it was last
// seen.
func TestAuditEventTimes(t *testing.T) {
	old := anEvent("old", "web", sandbox("device or resource busy"), 5)
	times := map[string]func(*corev1.Event){
		"lastTimestamp": func(e *corev1.Event) { e.LastTimestamp = minutes(6) },
		"eventTime":     func(e *corev1.Event) { e.EventTime = metav1.NewMicroTime(noon.Add(6 * time.Minute)) },
		"series": func(e *corev1.Event) {
			e.Series = &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(noon.Add(6 * time.Minute))}
		},
		"creationTimestamp": func(e *corev1.Event) { e.CreationTimestamp = minutes(6) },
	}
	for name, set := range times {
		event := anEvent("new", "web", sandbox("Link not found"), 0)
		event.LastTimestamp = metav1.Time{}
		set(event)
		_, installer := onStage(t, append(multusOn(t), old, event, aPod("web", networksOf("lan"), waits))...)
		if got := auditOf(t, installer, multus.AuditOptions{}).Pods[0].Cause.Code; got != "network/master-missing" {
			t.Errorf("%s: cause %s", name, got)
		}
	}
}
