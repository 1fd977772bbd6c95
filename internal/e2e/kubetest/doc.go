// Package kubetest runs a real Kubernetes control plane for tests: etcd and kube-apiserver, and on request
// kube-controller-manager and kube-scheduler, on loopback, without root, containers or downloaded binaries.
//
//	server := kubetest.New(t, kubetest.Options{Controllers: true})
//	c, err := client.New(server.Config(), client.Options{})
//	err = server.AddNodes(ctx, kubetest.Node("a", "amd64"), kubetest.Node("b", "arm64"))
//	server.StartKubelets(t, kubetest.KubeletOptions{})
//	// A DaemonSet created now gets a pod on each node, and the pods become ready.
//
// The programs come out of one binary that is built from Go modules, once: see [Binary]. A server is ready
// within seconds; a package whose tests can share one uses [Main] and [Server.ResetAfter].
//
// What is real: everything the API server, the controllers and the scheduler do, so server-side apply,
// validation, RBAC, garbage collection, DaemonSet rollouts. What is not: nodes are objects only and no
// container runs, whatever [KubeletOptions] reports of it.
package kubetest
