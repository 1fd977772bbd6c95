package cilium_test

import (
	"testing"

	"github.com/cilium/cilium/pkg/datapath/tables"

	"github.com/multihome/multihome/cilium"
)

// TestDevices: CheckNodeLink and Cilium's own filter agree on every list of up
// to two of these devices and every link.
func TestDevices(t *testing.T) {
	entries := []string{"eth0", "eth+", "br0", "br+", "+", "!eth0", "!eth+", "!br0", "!br+", "!+", "e++"}
	lists := [][]string{}
	for _, a := range entries {
		lists = append(lists, []string{a})
		for _, b := range entries {
			lists = append(lists, []string{a, b})
		}
	}
	selected := 0
	for _, devices := range lists {
		for _, link := range []string{"eth0", "eth1", "eth", "br0", "br", "e+", "e"} {
			matched, reverse := tables.DeviceFilter(devices).Match(link)
			want := matched && !reverse
			findings := cilium.Config{Settings: cilium.Settings{Devices: devices}}.CheckNodeLink(link, true)
			if got := len(findings) == 0; got != want {
				t.Errorf("%q and %s: selected %t, by Cilium %t", devices, link, got, want)
			}
			if want {
				selected++
			}
		}
	}
	if selected == 0 {
		t.Error("nothing was ever selected")
	}
}
