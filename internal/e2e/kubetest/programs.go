package kubetest

import "strings"

// The flags of the programs, for a control plane that lives as long as a test. File names are relative to the
// server's directory.

func etcdFlags(client port) []string {
	return []string{
		"--data-dir=etcd",
		"--listen-client-urls=" + client.url("http"),
		"--advertise-client-urls=" + client.url("http"),
		"--listen-peer-urls=http://127.0.0.1:0",
		"--socket-reuse-port", // see port
		"--unsafe-no-fsync",   // nobody needs the data after a power cut
		"--log-level=warn",
	}
}

func apiServerFlags(etcd, secure port, controllers bool) []string {
	disabled := []string{"TaintNodesByCondition"} // its taint is taken off by a controller that does not run
	if !controllers {
		disabled = append(disabled, "ServiceAccount") // refuses pods until a controller has made the account
	}
	return []string{
		"--etcd-servers=" + etcd.url("http"),
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none", // the kubernetes Service cannot have a loopback endpoint
		"--secure-port=" + secure.String(),
		"--permit-port-sharing", // see port
		"--tls-cert-file=" + certFile,
		"--tls-private-key-file=" + keyFile,
		"--token-auth-file=" + tokensFile,
		"--authorization-mode=Node,RBAC",
		"--disable-admission-plugins=" + strings.Join(disabled, ","),
		"--allow-privileged",
		"--service-cluster-ip-range=10.96.0.0/12",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + keyFile,
		"--service-account-signing-key-file=" + keyFile,
		"--profiling=false",
	}
}

func controllerManagerFlags() []string {
	return append(controllerFlags(),
		// Nodes are only objects here, without heartbeats: the node lifecycle controller would evict their pods.
		"--controllers=*,-node-lifecycle-controller",
		"--service-account-private-key-file="+keyFile,
		"--root-ca-file="+certFile,
	)
}

func schedulerFlags() []string { return controllerFlags() }

// controllerFlags are what the controller manager and the scheduler have in common.
func controllerFlags() []string {
	return []string{
		"--kubeconfig=" + kubeconfigFile,
		"--leader-elect=false",
		"--secure-port=0",
		"--authentication-skip-lookup",
		"--kube-api-qps=5000", // the defaults, 20 and 50, would take minutes for the pods of 5,000 nodes
		"--kube-api-burst=5000",
	}
}
