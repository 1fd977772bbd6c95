package multustest

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// leases are the addresses given out, by NAD.
type leases map[types.NamespacedName]map[netip.Addr]types.UID

// ipam is what is read of a CNI configuration's ipam: host-local and static.
type ipam struct {
	Type string `json:"type"`
	addressRange
	Ranges    [][]addressRange `json:"ranges"`
	Addresses []struct {
		Address string `json:"address"`
	} `json:"addresses"`
}

type addressRange struct {
	Subnet     string `json:"subnet"`
	RangeStart string `json:"rangeStart"`
	RangeEnd   string `json:"rangeEnd"`
	Gateway    string `json:"gateway"`
}

// parseIPAM finds the ipam of a configuration or of its first plugin.
func parseIPAM(config string) (ipam, error) {
	var conf struct {
		IPAM    ipam `json:"ipam"`
		Plugins []struct {
			IPAM ipam `json:"ipam"`
		} `json:"plugins"`
	}
	if config == "" { // a file on the node
		return ipam{}, nil
	}
	if err := json.Unmarshal([]byte(config), &conf); err != nil {
		return ipam{}, fmt.Errorf("error parsing configuration: %w", err)
	}
	if len(conf.Plugins) > 0 {
		return conf.Plugins[0].IPAM, nil
	}
	return conf.IPAM, nil
}

// assign returns the addresses that a pod gets from a NAD. Asked is what its
// annotation asks for, which plugins with the ips capability give.
func (l leases) assign(nad types.NamespacedName, config string, pod types.UID, asked []string) ([]string, error) {
	conf, err := parseIPAM(config)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, address := range asked {
		out = append(out, bare(address))
	}
	switch {
	case len(out) > 0:
	case conf.Type == "static":
		for _, a := range conf.Addresses {
			out = append(out, bare(a.Address))
		}
	case conf.Type == "host-local":
		ranges := conf.Ranges
		if conf.Subnet != "" {
			ranges = append([][]addressRange{{conf.addressRange}}, ranges...)
		}
		for _, set := range ranges {
			address, err := l.next(nad, set, pod)
			if err != nil {
				return nil, err
			}
			out = append(out, address)
		}
	}
	return out, nil
}

// next takes the first free address of a range set.
func (l leases) next(nad types.NamespacedName, set []addressRange, pod types.UID) (string, error) {
	if l[nad] == nil {
		l[nad] = map[netip.Addr]types.UID{}
	}
	for _, r := range set {
		subnet, err := netip.ParsePrefix(r.Subnet)
		if err != nil {
			return "", fmt.Errorf("invalid CIDR address: %s", r.Subnet)
		}
		subnet = subnet.Masked()
		address, gateway := subnet.Addr().Next(), subnet.Addr().Next()
		if start, err := netip.ParseAddr(r.RangeStart); err == nil {
			address = start
		}
		if given, err := netip.ParseAddr(r.Gateway); err == nil {
			gateway = given
		}
		end, err := netip.ParseAddr(r.RangeEnd)
		hasEnd := err == nil
		for ; subnet.Contains(address) && (!hasEnd || address.Compare(end) <= 0); address = address.Next() {
			isBroadcast := address.Is4() && !subnet.Contains(address.Next())
			if _, taken := l[nad][address]; taken || address == gateway || isBroadcast {
				continue
			}
			l[nad][address] = pod
			return address.String(), nil
		}
	}
	return "", fmt.Errorf("failed to allocate for range 0: no IP addresses available in range set: %s-%s", set[0].RangeStart, set[0].RangeEnd)
}

// release frees what a pod held.
func (l leases) release(pod types.UID) {
	for _, taken := range l {
		for address, holder := range taken {
			if holder == pod {
				delete(taken, address)
			}
		}
	}
}

// bare cuts the prefix length off an address.
func bare(address string) string {
	out, _, _ := strings.Cut(address, "/")
	return out
}

// mac makes a hardware address of an IP address.
func mac(ip string) string {
	address, err := netip.ParseAddr(ip)
	if err != nil {
		address = netip.AddrFrom4([4]byte{})
	}
	bytes := address.AsSlice()
	last := bytes[len(bytes)-4:]
	return fmt.Sprintf("0a:58:%02x:%02x:%02x:%02x", last[0], last[1], last[2], last[3])
}
