package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/nad"
)

// attach gives a pod a macvlan interface, shows it, and removes both again.
func attach(ctx context.Context, c client.Client, out io.Writer) error {
	network, err := nad.Macvlan("quickstart", nad.MacvlanConfig{
		IPAM: nad.HostLocal{Subnet: "192.168.1.0/24", RangeStart: "192.168.1.200", RangeEnd: "192.168.1.216"},
	})
	if err != nil {
		return err
	}
	network.Namespace = "default"
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "quickstart", Namespace: "default"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "pause", Image: "registry.k8s.io/pause:3.10"}}},
	}
	if err := nad.Attach(pod, nad.Attachment{Name: network.Name}); err != nil {
		return err
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
		interfaces, err := nad.Status(pod)
		if err != nil {
			return err
		}
		for _, i := range interfaces {
			fmt.Fprintf(out, "pod %s/%s on %s: %s of %s has %s\n", pod.Namespace, pod.Name, pod.Spec.NodeName, i.Interface, i.Name, strings.Join(i.IPs, ", "))
		}
		if len(interfaces) > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
