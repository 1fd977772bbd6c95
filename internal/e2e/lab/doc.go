// Package lab runs whole Kubernetes clusters for tests: real nodes, on which containerd, runc and a kubelet run
// real containers, with the network that real CNI plugins make. There is no registry, no virtual machine and no
// downloaded binary.
//
//	c := lab.New(t, lab.Options{Layout: lab.TalosOld, Nodes: 2})
//	kube, err := client.NewWithWatch(c.Config(), client.Options{})
//	// ... install Multus, make pods ...
//	node := c.Nodes()[0]
//	err = node.Kill(ctx, "multus-daemon", syscall.SIGKILL)
//	err = node.Restart(ctx)
//
// # How it works
//
// All programs are built from Go modules, once: Kubernetes by package kubetest, the rest from the modules in
// ../labnode at the versions that share most with it. What cannot be, comes from Debian packages, which are
// installed if they are missing. Container images are put together from these programs under the names that a
// multus.Bundle asks for, and imported into each node's containerd.
//
// The control plane is that of package kubetest in a network namespace of its own, the router. It is the nodes'
// default gateway and has the address of the kubernetes Service, so there is no kube-proxy.
//
// A node is a process, the program noded, in new mount, PID, network, IPC, UTS and cgroup namespaces: process 1.
// Its file system is a directory of the machine, arranged as an operating system does: see [Layout]. What a
// [Node] is asked to do, noded does in there. The machine's own file system, links, firewall rules and settings
// are not touched; writes to settings that are not the network namespace's fail or go to files.
//
// When the process that started a cluster ends, in whatever way, process 1 of each node does, and with it by the
// kernel's doing every process of the node; a helper then removes cgroups and files.
//
// # What it needs
//
// Linux with root, Go, a C compiler and apt-get, or the Debian packages that an error names. Without root [New]
// skips the test, and fails it where the environment says CI=true. Cgroups of version 1 and 2 will do; version 2
// needs the machine's own root cgroup, not that of a container. A node takes about 0.5 GiB of memory and is Ready
// after 5 to 10 seconds.
//
// # What it cannot show
//
// A real Talos: its kubelet in a container, SELinux, read-only root and workload isolation. Real images, other
// architectures, Cilium. Link types that the machine's kernel lacks: make vm runs the tests for them, TestLinkTypes,
// in a virtual machine of package vm, which also has version 2 of cgroups.
package lab
