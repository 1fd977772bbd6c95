package kubetest

import "strings"

// The flags of the programs, for a control plane that lives as long as a test. File names are relative to the
// server's directory.

func etcdFlags(client Port) []string {
	return []string{
		"--data-dir=etcd",
		"--listen-client-urls=" + client.url("http"),
		"--advertise-client-urls=" + client.url("http"),
		"--listen-peer-urls=http://127.0.0.1:0",
		"--socket-reuse-port", // see Port
		"--unsafe-no-fsync",   // nobody needs the data after a power cut
		"--log-level=warn",
	}
}

func apiServerFlags(etcd, secure Port, controllers bool, network Network) []string {
	var disabled []string
	if !network.real() {
		disabled = append(disabled, "TaintNodesByCondition") // its taint is taken off by a controller that does not run
	}
	if !controllers {
		disabled = append(disabled, "ServiceAccount") // refuses pods until a controller has made the account
	}
	return append(network.apiServerFlags(),
		"--etcd-servers="+etcd.url("http"),
		"--secure-port="+secure.String(),
		"--permit-port-sharing", // see Port
		"--tls-cert-file="+certFile,
		"--tls-private-key-file="+keyFile,
		"--token-auth-file="+tokensFile,
		"--authorization-mode=Node,RBAC",
		"--disable-admission-plugins="+strings.Join(disabled, ","),
		"--allow-privileged",
		"--service-cluster-ip-range=10.96.0.0/12",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+keyFile,
		"--service-account-signing-key-file="+keyFile,
		"--profiling=false",
	)
}

func controllerManagerFlags(network Network) []string {
	return append(append(controllerFlags(), network.controllerManagerFlags()...),
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
