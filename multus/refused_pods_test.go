package multus_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// TestPodsRefused: Pod Security admits the DaemonSet and none of its pods. No
// pod can tell, so the DaemonSet's events must.
func TestPodsRefused(t *testing.T) {
	level := func(t *testing.T, cluster *multustest.Cluster, text string) {
		patch(t, cluster, "admin", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system"}},
			`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":`+text+`}}}`)
	}
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := simulate(t, multustest.Options{Nodes: []multustest.Node{{OSImage: debian13}, {OSImage: debian13}}})
				level(t, cluster, `"baseline"`)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				r := begin(t, ctx, cluster, c.of(cluster), onFlannel)
				<-r.done
				var stopped *multus.RolloutError
				if !errors.As(r.err, &stopped) || len(stopped.Rollout.Nodes) != 1 || stopped.Rollout.Nodes[0].Node != "" {
					t.Fatalf("error %v, want a RolloutError with a problem and no node", r.err)
				}
				if problem := stopped.Rollout.Nodes[0].Problem; problem.Code != "multus/pod-security" || !strings.Contains(r.err.Error(), problem.String()) {
					t.Errorf("error %v, problem %v", r.err, problem)
				}
				if got := r.stuck(); len(got) != 1 || got[0] != "multus/pod-security" {
					t.Errorf("stuck %v, want it once", got)
				}
				last := r.events[len(r.events)-1].String()
				if want := "no pods (0 of 2): error multus/pod-security: DaemonSet kube-system/kube-multus-ds: no pod can be created: "; !strings.HasPrefix(last, want) {
					t.Errorf("event %q, want %q", last, want)
				}

				r = begin(t, t.Context(), cluster, c.of(cluster), onFlannel)
				time.Sleep(10 * time.Second)
				level(t, cluster, "null")
				<-r.done
				if r.err != nil || len(r.ready()) != 2 || len(r.result.Rollout.Nodes) != 2 {
					t.Errorf("after it is mended: %v, %v, %+v", r.err, r.ready(), r.result.Rollout)
				}
				mustBeHealthy(t, cluster, onFlannel)
			})
		})
	}
}

// TestPodsRefusedEvents: the latest event about our DaemonSet counts.
func TestPodsRefusedEvents(t *testing.T) {
	event := func(name, daemonSet, reason, message string, minutes int) client.Object {
		return &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Namespace: "kube-system", Name: name},
			InvolvedObject: corev1.ObjectReference{Kind: "DaemonSet", Namespace: "kube-system", Name: daemonSet},
			Reason:         reason, Message: message, LastTimestamp: metav1.NewTime(time.Now().Add(time.Duration(minutes) * time.Minute)),
		}
	}
	const ours = "kube-multus-ds"
	tests := []struct {
		name   string
		events []client.Object
		want   string
	}{
		{name: "none"},
		{name: "another DaemonSet", events: []client.Object{event("a", "node-exporter", "FailedCreate", "quota", 0)}},
		{name: "another reason", events: []client.Object{event("a", ours, "FailedDaemonPod", "evicted", 0)}},
		{
			name: "two", events: []client.Object{
				event("a", ours, "FailedCreate", "exceeded quota", -1), event("b", ours, "FailedCreate", "violates PodSecurity", -20),
				event("c", "node-exporter", "FailedCreate", "other", 0),
			},
			want: "multus/pods-refused",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cluster := simulate(t, multustest.Options{Rollout: multustest.RolloutManual, Objects: tt.events})
			install(t, cluster, onFlannel, multus.InstallOptions{NoWait: true})
			got := strings.Join(codes(statusOf(t, cluster, onFlannel).Findings), " ")
			if got != tt.want {
				t.Errorf("findings %q, want %q", got, tt.want)
			}
			cluster.Forbid("list", "events")
			if got := statusOf(t, cluster, onFlannel).Findings; len(got) > 0 {
				t.Errorf("without permission to read events: %v", got)
			}
		})
	}
}
