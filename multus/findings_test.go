package multus_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/multus"
)

func TestFindings(t *testing.T) {
	calico := multus.Platform{PrimaryCNI: "calico"}
	const official = "ghcr.io/k8snetworkplumbingwg/multus-cni:"
	tests := []struct {
		name   string
		config multus.Config
		want   []string // code and path
	}{
		{"nothing to say", multus.Config{}, nil},
		{"v4.0.0", multus.Config{Version: "v4.0.0"}, []string{"multus/image-unpublished version"}},
		{"v4.0.0 with an image", multus.Config{Version: "v4.0.0", Image: "registry.example.com/multus:v4.0.0-thick"}, nil},
		{"a digest on record", multus.Config{PinDigest: true}, []string{"multus/digest-unverified pinDigest"}},

		{"a leaking release", multus.Config{Platform: calico}, []string{"multus/ip-leak version"}},
		{"a leaking release, CNI not in the table", multus.Config{Platform: multus.Platform{PrimaryCNIConfig: "10-mine.conflist"}}, []string{"multus/ip-leak version"}},
		{"before the leak", multus.Config{Version: "v4.2.0", Platform: calico}, nil},
		{"a CNI that does not leak", multus.Config{Platform: multus.Platform{PrimaryCNI: "cilium"}}, nil},
		{"an image after the leak", multus.Config{Image: official + "v4.3.1-thick", Platform: calico}, []string{"multus/image-version image"}},
		{"an image with the leak", multus.Config{Version: "v4.2.0", Image: official + "v4.2.1-thick", Platform: calico}, []string{
			"multus/image-version image", "multus/ip-leak version",
		}},

		{"an image that moves", multus.Config{Image: official + "stable-thick"}, []string{"multus/image-moves image"}},
		{"an image without a tag", multus.Config{Image: "registry.example.com/multus"}, []string{"multus/image-moves image"}},
		{"an image of an architecture that moves", multus.Config{ArchImages: map[string]string{"arm64": "multus:latest"}}, []string{"multus/image-moves archImages[arm64]"}},
		{"a tag of one's own", multus.Config{Image: "registry.example.com/multus:2026-11-23"}, nil},

		{"a mounted path", multus.Config{Daemon: multus.DaemonConfig{LogFile: "/hostroot/var/log/multus.log"}}, nil},
		{"a path beside a mount", multus.Config{Daemon: multus.DaemonConfig{CNIDir: "/var/lib/cni/multus2"}}, []string{"multus/path-not-mounted daemon.cniDir"}},
		{"a path that is mounted since v4.2.1", multus.Config{Version: "v4.2.0", Daemon: multus.DaemonConfig{ConfDir: "/etc/cni/multus/net.d"}}, []string{"multus/path-not-mounted daemon.confDir"}},
		{"plugins in the pod alone", multus.Config{Daemon: multus.DaemonConfig{BinDir: "/hostroot/opt/cni/bin"}}, []string{"multus/path-not-mounted daemon.binDir"}},
		{"plugins where they are", multus.Config{Daemon: multus.DaemonConfig{BinDir: "/opt/cni/bin/"}}, nil},
		{"global namespaces with default", multus.Config{Daemon: multus.DaemonConfig{GlobalNamespaces: "a, default"}}, nil},
		{"global namespaces without", multus.Config{Daemon: multus.DaemonConfig{GlobalNamespaces: "default2"}}, []string{"multus/default-not-global daemon.globalNamespaces"}},
		{"a certificate that is off", multus.Config{Daemon: multus.DaemonConfig{PerNodeCertificate: &multus.PerNodeCertificate{}}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, finding := range render(t, tt.config).Findings {
				got = append(got, finding.Code+" "+finding.Path)
				if finding.Message == "" || finding.Source == "" || finding.Severity == "" {
					t.Errorf("%s lacks its message, source or severity", finding.Code)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFixesExplainThemselves: each has a name of its own, a reason and a source.
func TestFixesExplainThemselves(t *testing.T) {
	seen := map[string]bool{}
	for _, fix := range multus.Fixes() {
		if fix.Name == "" || fix.Reason == "" || fix.Source == "" || seen[fix.Name] {
			t.Errorf("incomplete or second: %+v", fix)
		}
		seen[fix.Name] = true
	}
}
