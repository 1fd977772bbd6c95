package cilium_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/cilium"
)

// pairs reads lines key=value.
func pairs(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		out[key] = value
	}
	return out
}

// FuzzParse: whatever cilium-config holds, Parse and what is judged from it do
// not panic; what Parse understood it reads again from what it understood; and
// exclusive mode is never missed where an agent would be in it.
func FuzzParse(f *testing.F) {
	var lines strings.Builder
	for _, key := range slices.Sorted(maps.Keys(byHelm)) {
		lines.WriteString(key + "=" + byHelm[key] + "\n")
	}
	f.Add(lines.String(), "v1.20.2")
	f.Add("cni-exclusive=T\nwrite-cni-conf-when-ready=a.conf\ndevices=eth+, !eth1\ncni-chaining-target=*\ntunnel=disabled", "v1.19.0-rc.1")
	f.Add("cluster-pool-ipv4-cidr=10.0.0.7/8 x\ncni-chaining-mode=aws-cni\nkube-proxy-replacement=strict\nrouting-mode=?", "")
	f.Fuzz(func(t *testing.T, text, version string) {
		data := pairs(text)
		settings, err := cilium.Parse(data)
		config := cilium.Config{Settings: settings, Known: true, Version: version}
		findings := config.Findings()
		config.CheckNADs(definition("lan", `{"cniVersion":"0.3.1","name":"lan","type":"macvlan","master":"eth1","ipam":{"type":"host-local","subnet":"10.7.0.0/24"}}`))
		config.CheckNodeLink("br0", true)
		exclusive := slices.ContainsFunc(findings, func(f multihome.Finding) bool {
			return f.Code == "cilium/exclusive" && f.Severity == multihome.SeverityError
		})
		takesAway := !slices.Contains(settings.ConfDir(map[string]string{"00-multus.conf": `{"name":"multus"}`}), "00-multus.conf")
		if takesAway && !exclusive {
			t.Errorf("%q: Multus' file is taken away, and nothing is said: %v", text, findings)
		}
		if err != nil {
			return
		}
		again, err := cilium.Parse(map[string]string{
			"cni-exclusive": boolText(settings.Exclusive), "write-cni-conf-when-ready": "/host/etc/cni/net.d/" + settings.Conflist,
			"custom-cni-conf": boolText(settings.CustomConf), "read-cni-conf": settings.ReadConf, "cni-uninstall": boolText(settings.Uninstall),
			"cni-chaining-mode": settings.ChainingMode, "cni-chaining-target": settings.ChainingTarget,
			"kube-proxy-replacement": boolText(settings.KubeProxyReplacement), "bpf-lb-sock": boolText(settings.SocketLB),
			"bpf-lb-sock-hostns-only": boolText(settings.SocketLBHostOnly), "devices": strings.Join(settings.Devices, " "),
			"ipam": settings.IPAM, "cluster-pool-ipv4-cidr": strings.Join(settings.PodCIDRs, ","), "routing-mode": string(settings.RoutingMode),
		})
		if settings.Conflist == "" {
			err = nil // there is no such file, which is what the error says
		}
		if diff := cmp.Diff(settings, again); diff != "" || err != nil {
			t.Errorf("%q: read again %v (-want +got):\n%s", text, err, diff)
		}
	})
}

func boolText(is bool) string {
	if is {
		return "true"
	}
	return "false"
}

// FuzzConfDir: no file is lost, and a second start of the agent finds nothing
// to do.
func FuzzConfDir(f *testing.F) {
	f.Add("00-multus.conf={\"name\":\"m\"}\n05-cilium.conf={}\nx=y", "05-cilium.conflist", "", "none", true)
	f.Add("a.conf={\"name\":\"m\"}", "05-cilium.conflist", "*", "", false)
	f.Fuzz(func(t *testing.T, text, conflist, target, mode string, exclusive bool) {
		files := pairs(text)
		settings := cilium.Settings{Conflist: conflist, ChainingTarget: target, ChainingMode: mode, Exclusive: exclusive}
		after := settings.ConfDir(files)
		for name := range files {
			if !slices.Contains(after, name) && !slices.Contains(after, name+".cilium_bak") {
				t.Errorf("%q is gone: %q", name, after)
			}
		}
		if target != "" {
			return // contents would be needed
		}
		again := map[string]string{}
		for _, name := range after {
			again[name] = files[name]
		}
		if diff := cmp.Diff(after, settings.ConfDir(again)); diff != "" {
			t.Errorf("a second start (-first +second):\n%s", diff)
		}
	})
}

// FuzzCheck: whatever values are given, Check does not panic, and HelmValues
// over them mend all that they speak of.
func FuzzCheck(f *testing.F) {
	f.Add(`{"cni":{"exclusive":true},"devices":["eth0"]}`, true, true)
	f.Add(`{"cni":1,"securityContext":{"capabilities":[]},"k8sServicePort":"x"}`, true, false)
	f.Add(`{"cni":null}`, false, true)
	f.Fuzz(func(t *testing.T, text string, talos, kubevirt bool) {
		values := map[string]any{}
		if json.Unmarshal([]byte(text), &values) != nil {
			return
		}
		options := cilium.ValuesOptions{Talos: talos, KubeVirt: kubevirt, Devices: []string{"br0"}}
		cilium.Check(values, options)
		for _, f := range cilium.Check(merge(values, cilium.HelmValues(options)), options) {
			if f.Severity != multihome.SeverityInfo && f.Code != "cilium/value" && f.Path != "bpf.hostLegacyRouting" {
				t.Errorf("%s: HelmValues do not mend %s", text, f)
			}
		}
	})
}
