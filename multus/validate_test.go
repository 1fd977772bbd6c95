package multus_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/multihome/multihome/multus"
)

func TestValidate(t *testing.T) {
	daemon := func(d multus.DaemonConfig) multus.Config { return multus.Config{Daemon: d} }
	platform := func(p multus.Platform) multus.Config { return multus.Config{Platform: p} }
	limit := func(memory string) multus.Config {
		return multus.Config{Resources: multus.Resources{Daemon: multus.ContainerResources{LimitMemory: memory}}}
	}
	tolerate := func(toleration corev1.Toleration) multus.Config {
		return multus.Config{Tolerations: []corev1.Toleration{toleration}}
	}
	keep := func(*multus.Bundle) error { return nil }
	const official = "ghcr.io/k8snetworkplumbingwg/multus-cni:"

	tests := []struct {
		name   string
		config multus.Config
		// field is the only problem's path, "" if there must be none.
		field string
		// want is a part of the message.
		want string
	}{
		{"zero", multus.Config{}, "", ""},
		{"unknown version", multus.Config{Version: "v5.0.0"}, "version", `Unsupported value: "v5.0.0"`},
		{"unknown version with its image", multus.Config{Version: "v4.9.0", ArchImages: map[string]string{"arm64": official + "v4.9.0-thick"}}, "version", "v4.3.0"},
		{"version without v", multus.Config{Version: "4.3.0"}, "version", "v4.3.0"},
		{"namespace", multus.Config{Namespace: "Multus"}, "namespace", "lower case"},

		{"Talos version", platform(multus.Platform{Talos: "1.13"}), "platform.talos", "v1.13.9"},
		{"Talos pre-release", platform(multus.Platform{Talos: "v1.14.0-rc.1"}), "", ""},
		{"Kubernetes version", platform(multus.Platform{Kubernetes: "new"}), "platform.kubernetes", "must be a version"},
		{"unknown CNI", platform(multus.Platform{PrimaryCNI: "mine"}), "platform.primaryCNIConfig", `the conflist of "mine" is not known`},
		{"unknown CNI with its file", platform(multus.Platform{PrimaryCNI: "mine", PrimaryCNIConfig: "10-mine.conf"}), "", ""},
		{"conflist in a directory", platform(multus.Platform{PrimaryCNIConfig: "a/05-cilium.conflist"}), "platform.primaryCNIConfig", "without a directory"},
		{"conflist is a directory", platform(multus.Platform{PrimaryCNIConfig: ".."}), "platform.primaryCNIConfig", "must be a file name"},
		{"conflist of Multus", platform(multus.Platform{PrimaryCNIConfig: "00-multus.conf"}), "platform.primaryCNIConfig", "not one of Multus' own"},
		{"primary CNI version", platform(multus.Platform{PrimaryCNIVersion: "one"}), "platform.primaryCNIVersion", "such as 1.0.0"},
		{"architecture", platform(multus.Platform{Architectures: []string{"amd64", "x86_64"}}), "platform.architectures[1]", `"x86_64"`},

		{"image", multus.Config{Image: "UPPER:x"}, "image", "does not parse as an image reference"},
		{"thin image", multus.Config{Image: official + "v4.3.0"}, "image", "is the thin image"},
		{"thin image of a mirror", multus.Config{Image: "registry.example.com/ghcr/k8snetworkplumbingwg/multus-cni"}, "image", "is the thin image"},
		{"thick image by digest", multus.Config{Image: "ghcr.io/k8snetworkplumbingwg/multus-cni@sha256:" + strings.Repeat("a", 64)}, "", ""},
		{"another's image", multus.Config{Image: "registry.example.com/multus:v4.3.0"}, "", ""},
		{"image of an architecture", multus.Config{ArchImages: map[string]string{"arm64": "a b"}}, "archImages[arm64]", "does not parse"},
		{"no image of an architecture", multus.Config{ArchImages: map[string]string{"arm64": ""}}, "archImages[arm64]", "does not parse"},
		{"thin image of an architecture", multus.Config{ArchImages: map[string]string{"arm64": official + "stable"}}, "archImages[arm64]", "is the thin image"},
		{"image of no architecture", multus.Config{ArchImages: map[string]string{"arm65": "multus"}}, "archImages[arm65]", `Unsupported value: "arm65"`},
		{
			"mixed images",
			multus.Config{Image: official + "v4.2.4-thick", ArchImages: map[string]string{"arm64": "registry.example.com/multus:v4.3.0-thick"}},
			"archImages[arm64]", "is v4.3.0 while other nodes run v4.2.4",
		},
		{"mixed with the official image", multus.Config{ArchImages: map[string]string{"arm64": official + "v4.2.4-thick"}}, "archImages[arm64]", "other nodes run v4.3.0"},
		{"arm64 before v4.1.0", multus.Config{Version: "v4.0.2", Platform: multus.Platform{Architectures: []string{"amd64", "arm64"}}}, "archImages[arm64]", "use v4.1.0 or newer"},
		{"arm64 before v4.1.0 by Image", multus.Config{
			Version: "v4.0.2", Image: official + "v4.0.2-thick", Platform: multus.Platform{Architectures: []string{"arm64"}},
		}, "archImages[arm64]", "built for amd64 and cannot start on arm64"},
		{"arm64 before v4.1.0 by ArchImages", multus.Config{Version: "v4.0.2", ArchImages: map[string]string{"arm64": official + "v4.0.2-thick"}}, "archImages[arm64]", "cannot start on arm64"},
		{"arm64 before v4.1.0 with an image", multus.Config{
			Version: "v4.0.2", ArchImages: map[string]string{"arm64": "registry.example.com/multus"}, Platform: multus.Platform{Architectures: []string{"arm64"}},
		}, "", ""},
		{"arm64 since v4.1.0", multus.Config{Version: "v4.1.0", Platform: multus.Platform{Architectures: []string{"arm64"}}}, "", ""},
		{"riscv64", platform(multus.Platform{Architectures: []string{"riscv64"}}), "archImages[riscv64]", "cannot start on riscv64 nodes; give an image for them"},
		{"riscv64 with another's image", multus.Config{Image: "registry.example.com/multus:v4.3.0-thick", Platform: multus.Platform{Architectures: []string{"riscv64"}}}, "", ""},
		{"digest not on record", multus.Config{Version: "v4.1.0", PinDigest: true}, "pinDigest", "no digest is on record for v4.1.0"},
		{"digest of another image", multus.Config{Image: "registry.example.com/multus:1", PinDigest: true}, "pinDigest", "give image with its digest"},
		{"plugins image", multus.Config{ReferencePlugins: multus.ReferencePlugins{Image: ":"}}, "referencePlugins.image", "does not parse"},
		{"registry with a scheme", multus.Config{Registry: "https://registry.example.com"}, "registry", "no scheme"},
		{"registry with a tag", multus.Config{Registry: "registry.example.com/a:b"}, "registry", "must be a registry host"},
		{"registry that is no host", multus.Config{Registry: "mirror"}, "registry", "must be a registry host"},
		{"registry on this host", multus.Config{Registry: "localhost:5000"}, "", ""},

		{"memory that was killed", limit("255Mi"), "resources.daemon.limitMemory", "must be at least 256Mi"},
		{"just enough memory", limit("256Mi"), "", ""},
		{"no memory limit", limit("0"), "resources.daemon.limitMemory", "must be at least 256Mi"},
		{"not a quantity", limit("lots"), "resources.daemon.limitMemory", "must be a quantity"},
		{"negative quantity", limit("-1Gi"), "resources.daemon.limitMemory", "must be a quantity"},
		{"request above limit", multus.Config{Resources: multus.Resources{Daemon: multus.ContainerResources{RequestMemory: "2Gi"}}}, "resources.daemon.requestMemory", "must not be above limitMemory 1Gi"},
		{"CPU request above limit", multus.Config{Resources: multus.Resources{Init: multus.ContainerResources{RequestCPU: "2", LimitCPU: "1"}}}, "resources.init.requestCPU", "must not be above limitCPU 1"},
		{"no requests", multus.Config{Resources: multus.Resources{Daemon: multus.ContainerResources{RequestCPU: "0", RequestMemory: "0"}}}, "", ""},
		{"init memory", multus.Config{Resources: multus.Resources{Init: multus.ContainerResources{RequestMemory: "1Mi", LimitMemory: "14Mi"}}}, "resources.init.limitMemory", "must be at least 15Mi"},
		{"memory for the connections", multus.Config{Daemon: multus.DaemonConfig{ConnectionLimit: 20}}, "resources.daemon.limitMemory", "must be at least 1200Mi: daemon.connectionLimit lets 20 plugins"},
		{"little memory for few connections", multus.Config{
			Daemon:    multus.DaemonConfig{ConnectionLimit: 1},
			Resources: multus.Resources{Daemon: multus.ContainerResources{LimitMemory: "160Mi"}},
		}, "", ""},
		{"many connections with the memory fix skipped", multus.Config{Skip: []string{"memory"}, Daemon: multus.DaemonConfig{ConnectionLimit: 20}}, "", ""},

		{"node selector", multus.Config{NodeSelector: map[string]string{"a": "b c"}}, "nodeSelector", "b c"},
		{"toleration operator", tolerate(corev1.Toleration{Key: "a", Operator: "In"}), "tolerations[0].operator", `"In"`},
		{"toleration value", tolerate(corev1.Toleration{Key: "a", Operator: "Exists", Value: "b"}), "tolerations[0].value", "must be empty"},
		{"toleration of every key", tolerate(corev1.Toleration{Value: "b"}), "tolerations[0].operator", "must be Exists"},
		{"toleration effect", tolerate(corev1.Toleration{Operator: "Exists", Effect: "Never"}), "tolerations[0].effect", `"Never"`},

		{"key newer than the release", multus.Config{Version: "v4.2.4", Daemon: multus.DaemonConfig{ConnectionLimit: 4}}, "daemon.connectionLimit", "the daemon of v4.2.4 does not act on this key; it needs v4.3.0"},
		{"cniVersion", daemon(multus.DaemonConfig{CNIVersion: "0.1.0"}), "daemon.cniVersion", "1.0.0"},
		{"cniVersion above the primary CNI's", multus.Config{
			Platform: multus.Platform{PrimaryCNI: "cilium"}, Daemon: multus.DaemonConfig{CNIVersion: "1.0.0"},
		}, "daemon.cniVersion", "must not be above 0.3.1"},
		{"cniVersion of the primary CNI", multus.Config{
			Platform: multus.Platform{PrimaryCNI: "cilium", PrimaryCNIVersion: "1.0.0"}, Daemon: multus.DaemonConfig{CNIVersion: "1.0.0"},
		}, "", ""},
		{"cniVersion that upstream uses with every CNI", multus.Config{
			Platform: multus.Platform{PrimaryCNI: "antrea"}, Daemon: multus.DaemonConfig{CNIVersion: "0.3.1"},
		}, "", ""},
		{"cniVersion newer than the shim", multus.Config{Version: "v4.1.4", Daemon: multus.DaemonConfig{CNIVersion: "1.1.0"}}, "daemon.cniVersion", "the shim of v4.1.4"},
		{"multusConfigFile", daemon(multus.DaemonConfig{MultusConfigFile: "/tmp/multus.conf"}), "daemon.multusConfigFile", "must be auto"},
		{"multusConfigFile before v4.1.0", multus.Config{Version: "v4.0.2", Daemon: multus.DaemonConfig{MultusConfigFile: "/tmp/multus.conf"}}, "", ""},
		{"multusConfigFile auto", daemon(multus.DaemonConfig{MultusConfigFile: "auto"}), "", ""},
		{"multusMasterCNI", daemon(multus.DaemonConfig{MultusMasterCNI: "/etc/cni/net.d/a.conf"}), "daemon.multusMasterCNI", "without a directory"},
		{"forceCNIVersion", daemon(multus.DaemonConfig{ForceCNIVersion: true}), "daemon.forceCNIVersion", "rewrites the primary CNI's file"},
		{"relative path", daemon(multus.DaemonConfig{CNIDir: "cache"}), "daemon.cniDir", "must be an absolute path"},
		{"logLevel", daemon(multus.DaemonConfig{LogLevel: "info"}), "daemon.logLevel", "verbose"},
		{"logOptions", daemon(multus.DaemonConfig{LogOptions: &multus.LogOptions{MaxAge: -1}}), "daemon.logOptions", "must not be negative"},
		{"metricsPort", daemon(multus.DaemonConfig{MetricsPort: 65536}), "daemon.metricsPort", "must be a port"},
		{"enablePprof alone", daemon(multus.DaemonConfig{EnablePprof: true}), "daemon.metricsPort", "enablePprof"},
		{"connectionLimit", daemon(multus.DaemonConfig{ConnectionLimit: -1}), "daemon.connectionLimit", "must be positive"},
		{"bootstrapKubeconfig", daemon(multus.DaemonConfig{PerNodeCertificate: &multus.PerNodeCertificate{Enabled: true, CertDir: "/c"}}), "daemon.perNodeCertificate.bootstrapKubeconfig", "exits without"},
		{"certDir", daemon(multus.DaemonConfig{PerNodeCertificate: &multus.PerNodeCertificate{Enabled: true, BootstrapKubeconfig: "/k"}}), "daemon.perNodeCertificate.certDir", "exits without"},
		{"certDuration", daemon(multus.DaemonConfig{PerNodeCertificate: &multus.PerNodeCertificate{CertDuration: "1 day"}}), "daemon.perNodeCertificate.certDuration", "Go duration"},
		{"socketDir on the node", daemon(multus.DaemonConfig{SocketDir: "/run/multus"}), "daemon.socketDir", "below /host/run"},
		{"socketDir that escapes", daemon(multus.DaemonConfig{SocketDir: "/host/run/../multus"}), "daemon.socketDir", "below /host/run"},
		{"socketDir of another", daemon(multus.DaemonConfig{SocketDir: "/host/run/flannel"}), "daemon.socketDir", "removes it with all its content"},
		{"socketDir alone", daemon(multus.DaemonConfig{SocketDir: "/host/run/multus2"}), "daemon.daemonSocketDir", "would look in /run/multus and the daemon listens in /run/multus2"},
		{"daemonSocketDir alone", daemon(multus.DaemonConfig{DaemonSocketDir: "/run/multus2"}), "daemon.daemonSocketDir", "would look in /run/multus2"},
		{"both socket directories", daemon(multus.DaemonConfig{SocketDir: "/host/run/multus2/", DaemonSocketDir: "/run/multus2"}), "", ""},
		{"systemNamespaces", daemon(multus.DaemonConfig{SystemNamespaces: []string{"a", "B"}}), "daemon.systemNamespaces[1]", "lower case"},
		{"globalNamespaces", daemon(multus.DaemonConfig{GlobalNamespaces: "default, a_b"}), "daemon.globalNamespaces", `"a_b"`},
		{"multusNamespace", daemon(multus.DaemonConfig{MultusNamespace: "a/b"}), "daemon.multusNamespace", `"a/b"`},
		{"defaultNetworks", daemon(multus.DaemonConfig{DefaultNetworks: []string{" "}}), "daemon.defaultNetworks[0]", "NAMESPACE/NAME"},
		{"delegate that is no JSON", daemon(multus.DaemonConfig{Delegates: []runtime.RawExtension{{Raw: []byte("{")}}}), "daemon.delegates[0]", "CNI configuration in JSON"},
		{"delegate without a type", daemon(multus.DaemonConfig{Delegates: []runtime.RawExtension{{Raw: []byte("{}")}}}), "daemon.delegates[0]", "type or plugins"},
		{"no delegate", daemon(multus.DaemonConfig{Delegates: []runtime.RawExtension{{}}}), "daemon.delegates[0]", "CNI configuration"},
		{"delegate conflist", daemon(multus.DaemonConfig{Delegates: []runtime.RawExtension{{Raw: []byte(`{"plugins":[{"type":"a"}]}`)}}}), "", ""},
		{"auxiliary chain", daemon(multus.DaemonConfig{AuxiliaryCNIChainName: "a", ClusterNetwork: "b"}), "daemon.clusterNetwork", "must be the path of a conflist"},

		{"plugins directory", multus.Config{ReferencePlugins: multus.ReferencePlugins{Dir: "plugins"}}, "referencePlugins.dir", "absolute path"},
		{"plugin name", multus.Config{ReferencePlugins: multus.ReferencePlugins{Plugins: []string{"macvlan", "$(id)"}}}, "referencePlugins.plugins[1]", "file name of a plugin"},
		{"unknown fix", multus.Config{Skip: []string{"netns", "gravity"}}, "skip[1]", `"gravity"`},
		{"image without its fix", multus.Config{Image: "registry.example.com/multus", Skip: []string{"image-pin"}}, "image", "no effect while skip names image-pin"},
		{"pinDigest without its fix", multus.Config{PinDigest: true, Skip: []string{"image-pin"}}, "pinDigest", "skip names image-pin"},
		{"archImages without their fix", multus.Config{ArchImages: map[string]string{"arm64": "multus"}, Skip: []string{"arm64"}}, "archImages", "skip names arm64"},
		{"resources without their fix", multus.Config{Resources: multus.Resources{Init: multus.ContainerResources{LimitCPU: "1"}}, Skip: []string{"memory"}}, "resources", "skip names memory"},
		{"plugins without their fix", multus.Config{ReferencePlugins: multus.ReferencePlugins{Dir: "/x"}, Skip: []string{"reference-plugins"}}, "referencePlugins", "skip names reference-plugins"},
		{"patch without a name", multus.Config{Patches: []multus.Patch{{Apply: keep}}}, "patches[0].name", "listed among the fixes"},
		{"patch without a func", multus.Config{Patches: []multus.Patch{{Name: "a", Apply: keep}, {Name: "b"}}}, "patches[1].apply", "makes the change"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.config.Validate()
			if tt.field == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			problems := fieldErrors(t, err)
			if len(problems) != 1 || problems[0].Field != tt.field || !strings.Contains(problems[0].Error(), tt.want) {
				t.Fatalf("got:\n%v\nwant the one problem of %s: %s", err, tt.field, tt.want)
			}
			bundle, rendered := multus.Render(tt.config)
			if bundle != nil || rendered == nil || rendered.Error() != err.Error() {
				t.Errorf("Render: got a bundle: %t, and error %v", bundle != nil, rendered)
			}
		})
	}
}

// TestValidateReportsAll: all problems at once, in the same order every time.
func TestValidateReportsAll(t *testing.T) {
	config := multus.Config{
		Version:          "v9.9.9",
		Namespace:        "_",
		Platform:         multus.Platform{Talos: "x", Kubernetes: "y", Architectures: []string{"z"}},
		Image:            ":",
		Registry:         "://",
		NodeSelector:     map[string]string{"a": "b c", "d": "e f", "g": "h i"},
		Resources:        multus.Resources{Daemon: multus.ContainerResources{LimitCPU: "?"}},
		Daemon:           multus.DaemonConfig{LogLevel: "?", CNIDir: "relative"},
		ReferencePlugins: multus.ReferencePlugins{Dir: "."},
		Skip:             []string{"?"},
	}
	want := []string{
		"daemon.cniDir", "daemon.logLevel", "image", "namespace", "nodeSelector", "nodeSelector", "nodeSelector",
		"platform.architectures[0]", "platform.kubernetes", "platform.talos", "referencePlugins.dir", "registry",
		"resources.daemon.limitCPU", "skip[0]", "version",
	}
	first := config.Validate()
	var got []string
	for _, problem := range fieldErrors(t, first) {
		got = append(got, problem.Field)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	for range 50 {
		if again := config.Validate(); again.Error() != first.Error() {
			t.Fatalf("another order (-first +now):\n%s", cmp.Diff(first.Error(), again.Error()))
		}
	}
}

func TestValidateUnknownVersionListsAll(t *testing.T) {
	err := multus.Config{Version: "v3.9.0"}.Validate()
	if err == nil {
		t.Fatal("accepted v3.9.0")
	}
	for _, version := range multus.Versions() {
		if !strings.Contains(err.Error(), `"`+version+`"`) {
			t.Errorf("%v\ndoes not list %s", err, version)
		}
	}
	if !slices.Contains(multus.Versions(), multus.DefaultVersion) {
		t.Errorf("DefaultVersion %s is not among the Versions", multus.DefaultVersion)
	}
}

// fieldErrors takes a joined error apart. errors.As must reach each part.
func fieldErrors(t *testing.T, err error) []*field.Error {
	t.Helper()
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		t.Fatalf("%v (%T) joins no errors", err, err)
	}
	var out []*field.Error
	for _, part := range joined.Unwrap() {
		problem, ok := errors.AsType[*field.Error](part)
		if !ok {
			t.Fatalf("%v (%T) is no *field.Error", part, part)
		}
		out = append(out, problem)
	}
	if _, ok := errors.AsType[*field.Error](err); !ok {
		t.Errorf("errors.As does not reach into %v", err)
	}
	return out
}
