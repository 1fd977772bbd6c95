package main

import (
	"context"
	"fmt"
	"io"
	"time"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// connect returns a client for a real cluster that knows NADs too.
func connect(kubeconfig string) (client.WithWatch, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, netattdefv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return client.NewWithWatch(config, client.Options{Scheme: scheme})
}

// simulate makes a cluster out of nothing: three Talos nodes, one of them
// arm64, and Cilium as Helm installs it. Its nodes roll one by one.
func simulate(ctx context.Context) (*multustest.Cluster, error) {
	cluster, err := multustest.NewCluster(multustest.Options{
		Nodes: []multustest.Node{
			{Name: "control-1", Talos: "v1.13.9", Architecture: "amd64"},
			{Name: "worker-1", Talos: "v1.13.9", Architecture: "amd64"},
			{Name: "worker-2", Talos: "v1.13.9", Architecture: "arm64"},
		},
		PrimaryCNI: "cilium",
		Cilium:     multustest.Cilium{Exclusive: true},
		Rollout:    multustest.RolloutManual,
	})
	if err != nil {
		return nil, err
	}
	go func() {
		for ctx.Err() == nil {
			time.Sleep(300 * time.Millisecond)
			cluster.Step()
		}
	}()
	return cluster, nil
}

// warnAboutCilium shows what an install on a stock Cilium would run into, and
// then does what its finding says.
func warnAboutCilium(ctx context.Context, cluster *multustest.Cluster, out io.Writer) error {
	detection, err := multus.Detect(ctx, cluster.Client())
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "== Detected\n%d nodes: %s\n", detection.Nodes, detection.Platform)

	installer, err := multus.NewInstaller(cluster.Client(), multus.Config{})
	if err != nil {
		return err
	}
	if _, err := installer.Install(ctx, multus.InstallOptions{}); err != nil {
		fmt.Fprintln(out, err)
	}
	fmt.Fprintln(out, "-> setting cni-exclusive to false, as helm upgrade cilium --set cni.exclusive=false does")
	settings := &corev1.ConfigMap{}
	if err := cluster.Client().Get(ctx, client.ObjectKey{Namespace: "kube-system", Name: "cilium-config"}, settings); err != nil {
		return err
	}
	settings.Data["cni-exclusive"] = "false"
	return cluster.Client().Update(ctx, settings)
}
