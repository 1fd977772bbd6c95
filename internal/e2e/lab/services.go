package lab

import (
	"context"
	"fmt"
	"net"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/multihome/multihome/internal/e2e/lab/nodeapi"
)

// Where the lab's programs are in a node.
const (
	kubernetesDir = "/lab/kubernetes"
	runtimeDir    = "/lab/programs"
	runcDir       = "/lab/runc"
	pluginsDir    = "/lab/plugins"
	flannelDir    = "/lab/flannel"
	imagesDir     = "/lab/images"
)

// The node's services. Their logs are /var/log/NAME.log in the node.
const (
	containerd = "containerd"
	kubelet    = "kubelet"
)

const containerdSocket = "/run/containerd/containerd.sock"

// services returns the commands that start the node's services, in order.
func (n *Node) services() []nodeapi.Command {
	return []nodeapi.Command{
		{Name: containerd, Args: []string{containerd, "--config", "/etc/containerd/config.toml"}},
		{Name: kubelet, Args: []string{
			kubernetesDir + "/node", kubelet,
			"--config=/var/lib/kubelet/config.yaml", "--kubeconfig=/etc/kubernetes/kubelet.conf",
			"--hostname-override=" + n.name, "--node-ip=" + n.address.String(),
		}},
	}
}

// containerdConfig is Kubernetes' default but for what the lab's root may not do: without CAP_SYS_RESOURCE no
// process can make itself less likely to be killed when memory ends.
func containerdConfig(snapshotter string) string {
	return fmt.Sprintf(`version = 3
disabled_plugins = [
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.erofs",
]
[grpc]
address = %q
[plugins.'io.containerd.cri.v1.images']
snapshotter = %q
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = %q
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = %q
`, containerdSocket, snapshotter, PodImage, runcDir+"/runc")
}

// kubeletConfig lets everybody in: the kubelet listens in the lab's network namespaces only.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://` + containerdSocket + `
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
clusterDomain: cluster.local
clusterDNS: [10.96.0.10]
resolvConf: ""
evictionHard: {nodefs.available: "1%", imagefs.available: "1%", memory.available: 50Mi, nodefs.inodesFree: "1%", imagefs.inodesFree: "1%"}
imageGCHighThresholdPercent: 100
nodeStatusUpdateFrequency: 2s
nodeLeaseDurationSeconds: 8
syncFrequency: 10s
maxPods: 200
`

// configure writes the services' files.
func (n *Node) configure(ctx context.Context) error {
	kubeconfig, err := n.cluster.server.NodeKubeconfig(n.name, "https://"+net.JoinHostPort(apiAddress.String(), fmt.Sprint(apiPort)))
	if err != nil {
		return err
	}
	files := map[string]string{
		"/etc/containerd/config.toml":  containerdConfig(snapshotter(n.root())),
		"/etc/kubernetes/kubelet.conf": string(kubeconfig),
		"/var/lib/kubelet/config.yaml": kubeletConfig,
	}
	if n.cluster.options.PrimaryCNI == Bridge {
		files[bridgeConfigFile] = bridgeConfig(podRange(n.index))
	}
	for name, content := range files {
		if err := n.WriteFile(ctx, name, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// installPlugins copies the OS's plugins into /opt/cni/bin.
func (n *Node) installPlugins(ctx context.Context) error {
	plugins := n.system.plugins
	if plugins == nil {
		var err error
		if plugins, err = names(n.cluster.programs.plugins); err != nil {
			return err
		}
	}
	args := []string{"cp"}
	for _, plugin := range plugins {
		if plugin == "flannel" {
			args = append(args, path.Join(flannelDir, plugin))
		} else {
			args = append(args, path.Join(pluginsDir, plugin))
		}
	}
	_, err := n.Run(ctx, append(args, "/opt/cni/bin/")...)
	return err
}

// importImages imports the lab's images into containerd.
func (n *Node) importImages(ctx context.Context) error {
	for _, archive := range n.cluster.images {
		if _, err := n.Run(ctx, "ctr", "--namespace", "k8s.io", "images", "import",
			path.Join(imagesDir, path.Base(archive))); err != nil {
			return err
		}
	}
	return nil
}

// snapshotter returns the snapshotter that works on the file system of dir: overlayfs does not on itself.
func snapshotter(dir string) string {
	var kind unix.Statfs_t
	if unix.Statfs(dir, &kind) == nil && kind.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return "native"
	}
	return "overlayfs"
}

// mounts are the directories that a node sees of the machine.
func (n *Node) mounts() []nodeapi.Mount {
	p := n.cluster.programs
	mounts := []nodeapi.Mount{
		{Source: p.kubernetes, Target: kubernetesDir},
		{Source: p.runtime, Target: runtimeDir},
		{Source: p.runc, Target: runcDir},
		{Source: p.plugins, Target: pluginsDir},
		{Source: p.flannelCNI, Target: flannelDir},
		{Source: filepath.Dir(n.cluster.images[0]), Target: imagesDir},
	}
	for i := range mounts {
		mounts[i].Target = strings.TrimPrefix(mounts[i].Target, "/")
	}
	return mounts
}
