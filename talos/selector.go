package talos

import (
	"net"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// LinkSelector finds a physical link by what the hardware says instead of by
// its name. All fields that are set must match; each may hold "*" for any
// text. It should match exactly one link of a node.
//
// A bridge port by selector is a bridgePort in the legacy form, since Talos
// v1.9, and a LinkAliasConfig among documents. A bond has selectors in every
// version.
type LinkSelector struct {
	// Alias is the name that the link gets among documents. It must not look
	// like a kernel's name for a link. Empty: the master's name with "p" and
	// the index, "br0p0". The legacy form has no aliases and ignores it.
	Alias string `json:"alias,omitempty"`
	// PermanentAddr is the MAC address in the hardware, the safest choice:
	// VLANs and bridges that take over the address do not match. In the
	// legacy form since Talos v1.9.
	PermanentAddr string `json:"permanentAddr,omitempty"`
	// BusPath is the place on the bus, "0000:01:00.0".
	BusPath string `json:"busPath,omitempty"`
	// PCIID is vendor and product, "8086:15f3".
	PCIID string `json:"pciID,omitempty"`
	// Driver is the kernel's driver, "igc".
	Driver string `json:"driver,omitempty"`
}

// alias is the name of the link among documents.
func (s LinkSelector) alias(master string, index int) string {
	if s.Alias != "" {
		return s.Alias
	}
	return master + "p" + strconv.Itoa(index)
}

// device is the selector in the legacy form. Without a permanent address it
// says physical, since VLANs inherit the bus path and the driver.
func (s LinkSelector) device() deviceSelector {
	return deviceSelector{
		PermanentAddr: s.PermanentAddr, BusPath: s.BusPath, PCIID: s.PCIID, Driver: s.Driver,
		Physical: s.PermanentAddr == "",
	}
}

// match is the selector as a CEL expression on a LinkStatus.
func (s LinkSelector) match() string {
	var terms []string
	for _, term := range []struct{ value, variable string }{
		{strings.ToLower(s.PermanentAddr), "mac(link.permanent_addr)"},
		{s.BusPath, "link.bus_path"},
		{s.PCIID, "link.pciid"},
		{s.Driver, "link.driver"},
	} {
		switch {
		case term.value == "":
		case strings.Contains(term.value, "*"):
			terms = append(terms, "glob("+strconv.Quote(term.value)+", "+term.variable+")")
		default:
			terms = append(terms, term.variable+" == "+strconv.Quote(term.value))
		}
	}
	return strings.Join(terms, " && ")
}

func validateSelectors(at *field.Path, master string, selectors []LinkSelector, v version, form Form, needs func(version) bool) field.ErrorList {
	var errs field.ErrorList
	for i, s := range selectors {
		at := at.Index(i)
		values := s.device().conditions()
		if len(values) == 0 {
			errs = append(errs, field.Required(at.Child("permanentAddr"), "or another condition: the selector matches every link"))
		}
		for _, value := range values {
			if strings.ContainsFunc(value[1], func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
				errs = append(errs, field.Invalid(at.Child(value[0]), value[1], "must be printable ASCII without blanks, quotes and backslashes"))
			}
		}
		if mac := s.PermanentAddr; mac != "" && !strings.Contains(mac, "*") {
			if _, err := net.ParseMAC(mac); err != nil {
				errs = append(errs, field.Invalid(at.Child("permanentAddr"), mac, "must be a MAC address such as 00:1a:2b:3c:4d:5e, or a pattern with *"))
			}
		}
		switch {
		case form == FormDocuments:
			errs = append(errs, validateLinkName(at.Child("alias"), s.alias(master, i))...)
		case needs != nil && !needs(v):
			errs = append(errs, unsupported(at, "finding a port by a device selector", v, "v1.9"))
		case s.PermanentAddr != "" && !v.bridgePort():
			errs = append(errs, unsupported(at.Child("permanentAddr"), "the device selector permanentAddr", v, "v1.9"))
		}
	}
	return errs
}
