package kubetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Files in the server's directory.
const (
	certFile       = "server.crt"
	keyFile        = "server.key"
	tokensFile     = "tokens.csv"
	kubeconfigFile = "kubeconfig"
)

// credentials are what a client needs to be an administrator of one server.
type credentials struct {
	ca    []byte // also the serving certificate
	token string
	nodes map[string]string // tokens of kubelets, by node
}

// writeCredentials makes credentials and writes the files that the programs read.
func writeCredentials(dir, serverURL string, network Network) (credentials, error) {
	ca, key, err := selfSigned(network.Addresses)
	if err != nil {
		return credentials{}, fmt.Errorf("serving certificate: %w", err)
	}
	c := credentials{ca: ca, token: rand.Text(), nodes: map[string]string{}}
	tokens := fmt.Appendf(nil, "%s,admin,admin,system:masters\n", c.token)
	for _, node := range network.Nodes {
		c.nodes[node] = rand.Text()
		tokens = fmt.Appendf(tokens, "%s,system:node:%s,%[2]s,system:nodes\n", c.nodes[node], node)
	}
	kubeconfig, err := kubeconfig(serverURL, ca, c.token)
	if err != nil {
		return credentials{}, err
	}
	write := func(name string, content []byte) error {
		return os.WriteFile(filepath.Join(dir, name), content, 0o600)
	}
	return c, errors.Join(
		write(certFile, ca),
		write(keyFile, key),
		write(tokensFile, tokens),
		write(kubeconfigFile, kubeconfig),
	)
}

// kubeconfig returns a kubeconfig file.
func kubeconfig(url string, ca []byte, token string) ([]byte, error) {
	return clientcmd.Write(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"e2e": {Server: url, CertificateAuthorityData: ca}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"e2e": {Token: token}},
		Contexts:       map[string]*clientcmdapi.Context{"e2e": {Cluster: "e2e", AuthInfo: "e2e"}},
		CurrentContext: "e2e",
	})
}

// selfSigned returns a certificate for 127.0.0.1 and more addresses, and its key, PEM-encoded.
func selfSigned(more []net.IP) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "kube-apiserver"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IPAddresses:           append([]net.IP{net.IPv4(127, 0, 0, 1)}, more...),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	certDER, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certDER})
	key = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	return certificate, key, nil
}
