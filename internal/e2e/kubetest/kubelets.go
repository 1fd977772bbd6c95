package kubetest

import (
	"context"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// KubeletOptions says how the stand-ins of [Server.StartKubelets] behave.
type KubeletOptions struct {
	// Delay is the time that a pod takes to start once it has a node, and to end once it is deleted.
	Delay time.Duration

	// Status returns what is reported of a pod after Delay. It is asked again every second, so a pod can
	// change: the answer for a pod whose fate has not changed must be the same. It runs concurrently. nil is
	// [Running]; the pod's own status returned unchanged is a pod that hangs before its start.
	Status func(pod *corev1.Pod) corev1.PodStatus
}

// StartKubelets starts a stand-in for the kubelets of all nodes, which runs no container: it reports pods that
// have got a node as running, and lets deleted ones go. It ends with the test.
func (s *Server) StartKubelets(tb testing.TB, o KubeletOptions) {
	tb.Helper()
	client, err := kubernetes.NewForConfig(s.Config())
	if err != nil {
		tb.Fatal(err)
	}
	if o.Status == nil {
		o.Status = Running
	}
	k := &kubelets{
		status: o.Status,
		client: client,
		queue:  workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[cache.ObjectName]()),
		pods: cache.NewSharedIndexInformer(
			cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "pods", metav1.NamespaceAll,
				fields.OneTermNotEqualSelector("spec.nodeName", "")),
			&corev1.Pod{}, time.Second, nil),
	}
	later := func(pod any) { k.queue.AddAfter(cache.MetaObjectToName(pod.(*corev1.Pod)), o.Delay) }
	if _, err := k.pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    later,
		UpdateFunc: func(_, pod any) { later(pod) },
	}); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	var running sync.WaitGroup
	running.Go(func() { k.run(ctx) })
	tb.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

// Running is the status of a pod whose containers all run and are ready. That of one that is so already is
// not changed.
func Running(pod *corev1.Pod) corev1.PodStatus {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return pod.Status
		}
	}
	now := metav1.Now()
	status := corev1.PodStatus{
		Phase:     corev1.PodRunning,
		StartTime: &now,
		HostIP:    "10.5.0.2",
		HostIPs:   []corev1.HostIP{{IP: "10.5.0.2"}},
		PodIP:     "10.5.0.2",
		PodIPs:    []corev1.PodIP{{IP: "10.5.0.2"}},
		QOSClass:  pod.Status.QOSClass,
	}
	for _, t := range []corev1.PodConditionType{
		corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady,
	} {
		status.Conditions = append(status.Conditions,
			corev1.PodCondition{Type: t, Status: corev1.ConditionTrue, LastTransitionTime: now})
	}
	for _, c := range pod.Spec.InitContainers {
		status.InitContainerStatuses = append(status.InitContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, Ready: true,
			State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				Reason: "Completed", StartedAt: now, FinishedAt: now,
			}},
		})
	}
	for _, c := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, Ready: true, Started: new(true),
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
		})
	}
	return status
}

type kubelets struct {
	status func(*corev1.Pod) corev1.PodStatus
	client kubernetes.Interface
	queue  workqueue.TypedRateLimitingInterface[cache.ObjectName]
	pods   cache.SharedIndexInformer
}

func (k *kubelets) run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { k.pods.RunWithContext(ctx) })
	for range 16 {
		running.Go(func() { k.work(ctx) })
	}
	<-ctx.Done()
	k.queue.ShutDown()
	running.Wait()
}

func (k *kubelets) work(ctx context.Context) {
	for {
		name, shutdown := k.queue.Get()
		if shutdown {
			return
		}
		if err := k.sync(ctx, name); err != nil {
			k.queue.AddRateLimited(name) // the API server may be down, or the pod changed
		} else {
			k.queue.Forget(name)
		}
		k.queue.Done(name)
	}
}

func (k *kubelets) sync(ctx context.Context, name cache.ObjectName) error {
	o, exists, err := k.pods.GetStore().GetByKey(name.String())
	if err != nil || !exists {
		return err
	}
	pod := o.(*corev1.Pod).DeepCopy()
	if pod.DeletionTimestamp != nil {
		err := k.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
			GracePeriodSeconds: new(int64(0)),
			Preconditions:      metav1.NewUIDPreconditions(string(pod.UID)),
		})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	before := pod.Status
	pod.Status = k.status(pod.DeepCopy())
	if equality.Semantic.DeepEqual(before, pod.Status) {
		return nil
	}
	_, err = k.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
