package main

import (
	"context"
	"fmt"
	"io"
	"time"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// attach gives a pod a macvlan interface, shows it, and removes both again.
func attach(ctx context.Context, c client.Client, out io.Writer) error {
	network := &netattdefv1.NetworkAttachmentDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "quickstart", Namespace: "default"},
		Spec: netattdefv1.NetworkAttachmentDefinitionSpec{Config: `{
			"cniVersion": "0.3.1", "name": "quickstart", "type": "macvlan", "mode": "bridge",
			"ipam": {"type": "host-local", "subnet": "192.168.1.0/24", "rangeStart": "192.168.1.200", "rangeEnd": "192.168.1.216"}
		}`},
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "quickstart", Namespace: "default",
			Annotations: map[string]string{netattdefv1.NetworkAttachmentAnnot: network.Name},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "pause", Image: "registry.k8s.io/pause:3.10"}}},
	}
	for _, object := range []client.Object{network, pod} {
		if err := c.Create(ctx, object); err != nil {
			return err
		}
		defer c.Delete(context.WithoutCancel(ctx), object) //nolint:errcheck // the program ends; the user sees what is left
	}
	fmt.Fprintln(out, "\n== A pod with a second interface")
	for {
		if err := c.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return err
		}
		if networks := pod.Annotations[netattdefv1.NetworkStatusAnnot]; networks != "" {
			_, err := fmt.Fprintf(out, "pod %s/%s on %s: %s\n", pod.Namespace, pod.Name, pod.Spec.NodeName, networks)
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
