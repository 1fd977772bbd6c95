package multus_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/multihome/multihome/multus"
)

// daemonKeys are the keys that the Multus daemon reads, all but name and type,
// which it sets itself. Types are those of its Go structs.
var daemonKeys = []struct {
	name string
	// set is what goes into Config.Daemon and has to arrive, byte by byte.
	set string
	// with are keys without which this one is refused.
	with string
	// since is the first release that acts on the key, "" for all.
	since string
	// never says why the key is always refused.
	never string
}{
	{name: "auxiliaryCNIChainName", set: `"chain"`, since: "v4.2.1"},
	{name: "binDir", set: `"/opt/cni/bin"`},
	{name: "capabilities", set: `{"portMappings":true}`},
	{name: "chrootDir", set: `"/hostroot"`},
	{name: "clusterNetwork", set: `"/host/etc/cni/net.d/05-cilium.conflist"`},
	{name: "cniConfigDir", set: `"/host/etc/cni/net.d"`},
	{name: "cniDir", set: `"/var/lib/cni/multus"`},
	{name: "cniVersion", set: `"0.4.0"`},
	{name: "confDir", set: `"/etc/cni/multus/net.d"`},
	{name: "connectionLimit", set: `5`, since: "v4.3.0"},
	{name: "daemonSocketDir", set: `"/run/multus"`, since: "v4.1.0"},
	{name: "defaultNetworks", set: `["a","b/c"]`},
	{name: "delegates", set: `[{"name":"a","type":"macvlan"}]`},
	{name: "enablePprof", set: `true`, with: `"metricsPort":9091`, since: "v4.3.0"},
	{name: "forceCNIVersion", set: `true`, never: "it rewrites the primary CNI's file"},
	{name: "globalNamespaces", set: `"default,a"`},
	{name: "kubeconfig", set: `"/hostroot/kubeconfig"`},
	{name: "logFile", set: `"/host/run/multus.log"`},
	{name: "logLevel", set: `"debug"`},
	{name: "logOptions", set: `{"maxAge":1,"maxSize":2,"maxBackups":3,"compress":true}`},
	{name: "logToStderr", set: `false`},
	{name: "metricsPort", set: `9091`},
	{name: "multusAutoconfigDir", set: `"/host/etc/cni/net.d"`},
	{name: "multusConfigFile", set: `"auto"`},
	{name: "multusMasterCNI", set: `"10-flannel.conflist"`},
	{name: "multusNamespace", set: `"networks"`},
	{name: "namespaceIsolation", set: `true`},
	{name: "overrideNetworkName", set: `true`},
	{name: "perNodeCertificate", set: `{"enabled":true,"bootstrapKubeconfig":"/k","certDir":"/c","certDuration":"1h"}`, since: "v4.1.0"},
	{name: "readinessindicatorfile", set: `"/host/etc/cni/net.d/05-cilium.conflist"`, since: "v4.1.0"},
	{name: "retryDeleteOnError", set: `true`},
	{name: "socketDir", set: `"/host/run/multus/"`},
	{name: "systemNamespaces", set: `["kube-system","a"]`},
}

// TestDaemonKeys sets each key alone, on the oldest release that acts on it and
// on the newest.
func TestDaemonKeys(t *testing.T) {
	for _, tt := range daemonKeys {
		t.Run(tt.name, func(t *testing.T) {
			oldest := max(tt.since, multus.Versions()[0])
			for _, version := range []string{oldest, multus.DefaultVersion} {
				config := multus.Config{Version: version, Daemon: parseDaemon(t, tt.name, tt.set, tt.with)}
				bundle, err := multus.Render(config)
				if tt.never != "" {
					if err == nil || !strings.Contains(err.Error(), tt.never) {
						t.Errorf("got error %v, want %s", err, tt.never)
					}
					continue
				}
				if err != nil {
					t.Fatalf("%s: %v", version, err)
				}
				var got map[string]json.RawMessage
				if err := json.Unmarshal([]byte(bundle.ConfigMap.Data["daemon-config.json"]), &got); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(decodeAny(t, []byte(tt.set)), decodeAny(t, got[tt.name])); diff != "" {
					t.Errorf("%s: %s (-want +got):\n%s", version, tt.name, diff)
				}
			}
		})
	}
}

// TestDaemonKeysAreRefused: a release before the one that acts on a key
// refuses it.
func TestDaemonKeysAreRefused(t *testing.T) {
	for _, tt := range daemonKeys {
		if tt.since == "" {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			i := slices.Index(multus.Versions(), tt.since)
			if i < 1 {
				t.Fatalf("no release before %q", tt.since)
			}
			config := multus.Config{Version: multus.Versions()[i-1], Daemon: parseDaemon(t, tt.name, tt.set, tt.with)}
			err := config.Validate()
			if problem, ok := errors.AsType[*field.Error](err); !ok || problem.Field != "daemon."+tt.name || problem.Type != field.ErrorTypeForbidden {
				t.Errorf("%s: got %v", config.Version, err)
			}
		})
	}
}

// TestDaemonKeysAreAll: DaemonConfig has those keys and no other.
func TestDaemonKeysAreAll(t *testing.T) {
	var want, got []string
	for _, key := range daemonKeys {
		want = append(want, key.name)
	}
	for f := range reflect.TypeFor[multus.DaemonConfig]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		got = append(got, name)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-table +DaemonConfig):\n%s", diff)
	}
}

// TestDaemonConfigReplacesWhole: a value that is set replaces the one of a fix,
// and none of it is left.
func TestDaemonConfigReplacesWhole(t *testing.T) {
	bundle := render(t, multus.Config{
		Platform: multus.Platform{PrimaryCNI: "cilium"},
		Daemon:   multus.DaemonConfig{MultusMasterCNI: "10-flannel.conflist", ConnectionLimit: 3, MultusNamespace: "networks"},
	})
	got := decodeAny(t, []byte(bundle.ConfigMap.Data["daemon-config.json"])).(map[string]any)
	want := map[string]any{
		"chrootDir": "/hostroot", "cniVersion": "0.3.1", "logLevel": "verbose", "logToStderr": true,
		"cniConfigDir": "/host/etc/cni/net.d", "multusAutoconfigDir": "/host/etc/cni/net.d", "multusConfigFile": "auto",
		"socketDir": "/host/run/multus/", "multusMasterCNI": "10-flannel.conflist", "connectionLimit": 3.0, "multusNamespace": "networks",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("daemon-config.json (-want +got):\n%s", diff)
	}
}

// TestConnectionLimit: as many plugins as the memory bears, at most 8.
func TestConnectionLimit(t *testing.T) {
	for memory, want := range map[string]float64{"256Mi": 2, "512Mi": 7, "": 8, "8Gi": 8, "1000000000Ti": 8} {
		bundle := render(t, multus.Config{Resources: multus.Resources{Daemon: multus.ContainerResources{LimitMemory: memory}}})
		got := decodeAny(t, []byte(bundle.ConfigMap.Data["daemon-config.json"])).(map[string]any)["connectionLimit"]
		if got != want {
			t.Errorf("limitMemory %q: connectionLimit %v, want %v", memory, got, want)
		}
	}
}

func parseDaemon(t *testing.T, name, value, with string) multus.DaemonConfig {
	t.Helper()
	text := `{"` + name + `":` + value
	if with != "" {
		text += "," + with
	}
	decoder := json.NewDecoder(strings.NewReader(text + "}"))
	decoder.DisallowUnknownFields()
	var out multus.DaemonConfig
	if err := decoder.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func decodeAny(t *testing.T, data []byte) any {
	t.Helper()
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	return out
}
