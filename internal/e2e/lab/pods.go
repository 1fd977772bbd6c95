package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/multihome/multihome/internal/e2e/lab/nodeapi"
)

// NetworksAnnotation asks for networks on a pod, StatusAnnotation tells which it got.
const (
	NetworksAnnotation = "k8s.v1.cni.cncf.io/networks"
	StatusAnnotation   = "k8s.v1.cni.cncf.io/network-status"
)

// Pod returns a pod in namespace default that waits to be ended, with NADs' names as its networks annotation.
func Pod(name string, networks ...string) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(int64(1)),
			Containers:                    []corev1.Container{{Name: "podbox", Image: PodImage}},
		},
	}
	if len(networks) > 0 {
		pod.Annotations = map[string]string{NetworksAnnotation: strings.Join(networks, ",")}
	}
	return pod
}

// Exec runs a program in a pod's first container and returns what it printed. Pods of [PodImage] have /podbox.
func (c *Cluster) Exec(ctx context.Context, pod *corev1.Pod, args ...string) (stdout []byte, err error) {
	request := c.client.CoreV1().RESTClient().Post().Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{
			Container: pod.Spec.Containers[0].Name, Command: args, Stdout: true, Stderr: true,
		}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(c.Config(), "GET", request.URL().String())
	if err != nil {
		return nil, err
	}
	var out, said bytes.Buffer
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &out, Stderr: &said}); err != nil {
		return out.Bytes(), fmt.Errorf("exec in %s/%s: %s: %w\n%s", pod.Namespace, pod.Name, strings.Join(args, " "), err, &said)
	}
	return out.Bytes(), nil
}

// PodNetwork is the network that a pod sees.
type PodNetwork = nodeapi.PodNetwork

// PodNetwork asks a pod of [PodImage] which interfaces, addresses and routes it has.
func (c *Cluster) PodNetwork(ctx context.Context, pod *corev1.Pod) (PodNetwork, error) {
	var seen PodNetwork
	out, err := c.Exec(ctx, pod, "/podbox", "network")
	if err == nil {
		err = json.Unmarshal(out, &seen)
	}
	return seen, err
}

// AwaitRunning waits until a pod is Ready and returns it. The error holds its last event.
func (c *Cluster) AwaitRunning(ctx context.Context, pod *corev1.Pod) (*corev1.Pod, error) {
	var live *corev1.Pod
	err := c.await(ctx, "pod "+pod.Name+" ready", func(ctx context.Context) (err error) {
		if live, err = c.client.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{}); err != nil {
			return err
		}
		for _, condition := range live.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("phase %s, last event %q", live.Status.Phase, c.lastEvent(ctx, live))
	})
	return live, err
}

// AwaitSandboxFailure waits until the kubelet reports that it cannot make the pod's sandbox, and returns its
// message. A pod that becomes ready instead is an error.
func (c *Cluster) AwaitSandboxFailure(ctx context.Context, pod *corev1.Pod) (message string, err error) {
	err = c.await(ctx, "pod "+pod.Name+" fails", func(ctx context.Context) error {
		events, err := c.events(ctx, pod)
		if err != nil {
			return err
		}
		for _, event := range events {
			if event.Reason == "FailedCreatePodSandBox" {
				message = event.Message
				return nil
			}
		}
		return fmt.Errorf("no FailedCreatePodSandBox among %d events", len(events))
	})
	return message, err
}

func (c *Cluster) events(ctx context.Context, pod *corev1.Pod) ([]corev1.Event, error) {
	events, err := c.client.CoreV1().Events(pod.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: "involvedObject.kind=Pod,involvedObject.name=" + pod.Name,
	})
	if err != nil {
		return nil, err
	}
	return events.Items, nil
}

func (c *Cluster) lastEvent(ctx context.Context, pod *corev1.Pod) string {
	events, err := c.events(ctx, pod)
	if err != nil {
		return err.Error()
	}
	if len(events) == 0 {
		return ""
	}
	last := events[0]
	for _, event := range events[1:] {
		if last.LastTimestamp.Before(&event.LastTimestamp) {
			last = event
		}
	}
	return last.Message
}
