package multus_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// aLingerer is a pod of Multus that does not end with its DaemonSet.
func aLingerer(node string) *corev1.Pod {
	owner := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "kube-multus-ds", UID: "of-before"}}
	pod := aUser("kube-multus-ds-old", nil)
	pod.Namespace, pod.Labels = "kube-system", map[string]string{"app": "multus"}
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
	pod.Spec.NodeName = node
	return pod
}

// TestUninstallWaitsForPods: no node is cleaned before the last pod of Multus
// is gone, whatever happens to the watch meanwhile. Pods that merely bear the
// label are nobody's business.
func TestUninstallWaitsForPods(t *testing.T) {
	disturbances := map[string]func(cluster *multustest.Cluster, pod *corev1.Pod){
		"none":   func(*multustest.Cluster, *corev1.Pod) {},
		"broken": func(cluster *multustest.Cluster, _ *corev1.Pod) { cluster.BreakWatches() },
		"changed": func(cluster *multustest.Cluster, pod *corev1.Pod) {
			patch(t, cluster, "kubelet", pod.DeepCopy(), `{"metadata":{"labels":{"going":"yes"}}}`)
		},
		"unreachable": func(cluster *multustest.Cluster, _ *corev1.Pod) {
			failed := 0
			cluster.BreakWatches()
			cluster.Fail(func(int, multustest.Request) error {
				if failed++; failed > 3 {
					return nil
				}
				return multustest.ConnectionReset()
			})
		},
	}
	for _, c := range clients {
		for name, disturb := range disturbances {
			t.Run(c.name+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
					install(t, cluster, onFlannel, multus.InstallOptions{})
					pod, bystander := aLingerer("a"), aUser("bystander", nil)
					bystander.Namespace, bystander.Labels = "kube-system", map[string]string{"app": "multus"}
					create(t, cluster, pod, bystander)
					var gone atomic.Bool
					go func() {
						time.Sleep(2 * time.Second)
						disturb(cluster, pod)
						time.Sleep(20 * time.Second)
						gone.Store(true)
						if err := cluster.Client().Delete(t.Context(), pod); err != nil {
							t.Error(err)
						}
					}()
					err := newInstaller(t, c.of(cluster), onFlannel).Uninstall(t.Context(), multus.UninstallOptions{Progress: func(e multus.Event) {
						if e.Type == multus.EventNodeCleaned && !gone.Load() {
							t.Error("cleaned while a pod of Multus was there")
						}
					}})
					if err != nil {
						t.Fatal(err)
					}
				})
			})
		}
	}
}

// TestUninstallDoesNotWaitForPods that nobody can end, or once it is told to
// stop.
func TestUninstallDoesNotWaitForPods(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
				install(t, cluster, onFlannel, multus.InstallOptions{})
				create(t, cluster, aLingerer("a"))
				installer := newInstaller(t, c.of(cluster), onFlannel)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				err := installer.Uninstall(ctx, multus.UninstallOptions{})
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "wait until the pods of kube-multus-ds in namespace kube-system are gone") {
					t.Errorf("error %v, want one that tells what it waited for", err)
				}
				cluster.SetFault("a", multustest.FaultNodeDown)
				if err := installer.Uninstall(t.Context(), multus.UninstallOptions{}); !errors.Is(err, multus.ErrNodesDown) {
					t.Errorf("error %v, want ErrNodesDown", err)
				}
			})
		})
	}
}

// TestUninstallForbiddenWait: an error that waiting cannot cure ends it.
func TestUninstallForbiddenWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := simulate(t, multustest.Options{Nodes: threeNodes()})
		install(t, cluster, onFlannel, multus.InstallOptions{})
		create(t, cluster, aLingerer("a"))
		err := newInstaller(t, cluster.Client(), onFlannel).Uninstall(t.Context(), multus.UninstallOptions{Progress: func(e multus.Event) {
			if e.Type == multus.EventRemoved {
				cluster.Forbid("watch", "pods")
			}
		}})
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "watch pods in namespace kube-system") {
			t.Errorf("error %v, want the missing permission", err)
		}
	})
}
