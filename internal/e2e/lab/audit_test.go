package lab_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/internal/e2e/lab"
	"github.com/multihome/multihome/multus"
)

// TestAudit makes pods lose their networks in every way that can be had here, and Audit finds each with its cause.
func TestAudit(t *testing.T) {
	t.Parallel()
	c := lab.New(t, lab.Options{})
	kube := newClient(t, c)
	install(t, c, kube, multus.Config{})
	create(t, kube,
		nad("second", bridgeConfig),
		nad("no-master", `{"cniVersion": "1.0.0", "name": "no-master", "type": "macvlan", "master": "nope0"}`),
		nad("no-plugin", `{"cniVersion": "1.0.0", "name": "no-plugin", "type": "nowhere"}`),
		nad("no-json", `{"cniVersion": "1.0.0", "name": `),
		nad("full", `{"cniVersion": "1.0.0", "name": "full", "type": "bridge", "bridge": "br-full",
			"ipam": {"type": "host-local", "subnet": "192.168.99.0/24", "rangeStart": "192.168.99.9", "rangeEnd": "192.168.99.9"}}`),
	)
	first := lab.Pod("first", "full")
	create(t, kube, first)
	running(t, c, first)
	web := deployment("web", "second")
	withoutMultus(t, c, kube, func() {
		create(t, kube, web)
		eventually(t, "web is available", func(ctx context.Context) error {
			err := kube.Get(ctx, client.ObjectKeyFromObject(web), web)
			if err == nil && web.Status.AvailableReplicas != 1 {
				err = fmt.Errorf("%d replicas are available", web.Status.AvailableReplicas)
			}
			return err
		})
	})
	want := map[string]string{
		"exhausted": "network/ipam-exhausted", "lost": "multus/away", "missing": "network/nad-missing",
		"no-json": "network/nad-json", "no-master": "network/master-missing", "no-plugin": "network/plugin-missing",
	}
	create(t, kube, lab.Pod("exhausted", "full"), lab.Pod("missing", "nonesuch"),
		lab.Pod("no-json", "no-json"), lab.Pod("no-master", "no-master"), lab.Pod("no-plugin", "no-plugin"))

	got := map[string]string{}
	eventually(t, "every lost pod is found", func(ctx context.Context) error {
		clear(got)
		for _, pod := range audit(ctx, t, kube, multus.AuditOptions{}).Pods {
			name := pod.Name
			if pod.Controller != "" {
				name = "lost"
			}
			got[name] = pod.Cause.Code
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("causes (-want +got):\n%s", diff)
		}
		return nil
	})

	// What a controller owns and would be well now is made again, and gets its network.
	audit(lab.Context(t), t, kube, multus.AuditOptions{Recreate: true})
	delete(want, "lost")
	eventually(t, "web has its network", func(ctx context.Context) error {
		clear(got)
		for _, pod := range audit(ctx, t, kube, multus.AuditOptions{}).Pods {
			got[pod.Name] = pod.Cause.Code
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("causes (-want +got):\n%s", diff)
		}
		return nil
	})
}

func audit(ctx context.Context, t *testing.T, kube client.Client, options multus.AuditOptions) *multus.AuditReport {
	t.Helper()
	installer, err := multus.NewInstaller(kube, multus.Config{})
	if err != nil {
		t.Fatal(err)
	}
	report, err := installer.Audit(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// withoutMultus does something while Multus is away from every node in peace, and brings it back.
func withoutMultus(t *testing.T, c *lab.Cluster, kube client.Client, do func()) {
	t.Helper()
	away := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"template":{"spec":{"nodeSelector":{"lab":"nowhere"}}}}}`))
	if err := kube.Patch(lab.Context(t), daemonSet(), away, client.FieldOwner("lab")); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes() {
		eventually(t, "Multus is away from "+n.Name(), func(ctx context.Context) error {
			files, err := n.Files(ctx, multusConfig)
			if err == nil && len(files) > 0 {
				err = fmt.Errorf("%s is there", multusConfig)
			}
			return err
		})
	}
	do()
	back := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"template":{"spec":{"nodeSelector":null}}}}`))
	if err := kube.Patch(lab.Context(t), daemonSet(), back, client.FieldOwner("lab")); err != nil {
		t.Fatal(err)
	}
	install(t, c, kube, multus.Config{})
}

// deployment is one of [lab.Pod].
func deployment(name string, networks ...string) *appsv1.Deployment {
	pod := lab.Pod(name, networks...)
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: pod.Annotations},
				Spec:       pod.Spec,
			},
		},
	}
}
