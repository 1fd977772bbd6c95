package cni_test

import (
	"regexp"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/nad"
)

// An exception is a difference between nad.Lint and what happens that is as it
// should be.
type exception struct {
	// refusal matches what was refused although Lint finds no error, lint the
	// error of Lint where nothing was refused. One of them is set.
	refusal, lint *regexp.Regexp
	reason        string
	// machine: the difference comes from the machine that runs the test, and
	// may be missing on another one.
	machine bool
}

// kernel matches the end of the way on a kernel that lacks a link type: so far
// the plugin took its configuration, and what it would do next is not known.
var kernel = regexp.MustCompile(`(failed to create (ipvlan|vlan|dummy)|could not add VRF .*|could not add "\S+"|failed to create bridge .*): operation not supported`)

var exceptions = []exception{
	// What the plugins look for on the node.
	{refusal: regexp.MustCompile(`Link not found`), reason: "the interface is not on this node, and may be on others"},
	{refusal: regexp.MustCompile(`already exists but is not a bridge`), reason: "the name belongs to an interface of this node"},
	{refusal: regexp.MustCompile(`invalid MTU \d+, must be \[0, master MTU\(1500\)\]`), reason: "the MTU of the master is known on the node alone"},
	{refusal: regexp.MustCompile(`type="tuning" failed \(add\): invalid argument`), reason: "the MTU of the interface that tuning changes is known on the node alone"},
	{refusal: regexp.MustCompile(`lstat /sys/bus/pci/devices/`), reason: "the device is not on this node, and may be on others"},
	{refusal: regexp.MustCompile(`error dialing DHCP daemon`), reason: "the daemon of dhcp does not run here"},
	{refusal: regexp.MustCompile(`failed to find plugin`), reason: "not a reference plugin, and so not built here"},
	{refusal: regexp.MustCompile(`^open (/nope|5): `), reason: "resolvConf is a file of the node"},
	{refusal: regexp.MustCompile(`open /proc/sys/net/.*: no such file or directory`), reason: "which settings there are depends on the kernel"},
	{refusal: regexp.MustCompile(`write /proc/sys/net/.*: invalid argument`), reason: "what a setting takes depends on the kernel"},
	{refusal: regexp.MustCompile(`failed set socket label`), reason: "the node has no SELinux, or not this label"},
	{refusal: regexp.MustCompile(`exec: "(nft|ip|iptables)": executable file not found`), reason: "the program is not on this node; Lint warns where one is needed", machine: true},
	{refusal: regexp.MustCompile(`backend was requested but configuration contains`), reason: "which packet filter is the default depends on the node"},
	{refusal: regexp.MustCompile(`could not parse prevResult`), reason: "prevResult is the runtime's; nad reads no more of it than that it is an object"},
	// What a pod brings.
	{refusal: regexp.MustCompile(`IPAM plugin returned missing IP config`), reason: "static has no addresses but those that pods request; Lint warns"},
	{refusal: regexp.MustCompile(`via 10\.8\.0\.1 .*: network is unreachable`), reason: "with the capability ips the addresses are those that pods request"},
	// What libcni makes of the text before a plugin sees it.
	{lint: regexp.MustCompile(`"(1500\.0|15e2)": must be a whole number`), reason: "libcni writes the number as 1500; the plugin itself refuses it, and so does any other way to run it"},
	{lint: regexp.MustCompile(`"null": must be a value, not null`), reason: "plugins differ in what they make of null in a list, and some panic; nad refuses all"},
}

// lintError returns the first error of nad.Lint, or "".
func lintError(c testCase) string {
	for _, finding := range nad.Lint(c.definition()) {
		if finding.Severity == multihome.SeverityError {
			return finding.String()
		}
	}
	return ""
}

// exceptionFor returns the exception that a difference falls under, or -1.
func exceptionFor(refusal, lint string) int {
	for n, e := range exceptions {
		if e.refusal != nil && e.refusal.MatchString(refusal) || e.lint != nil && e.lint.MatchString(lint) {
			return n
		}
	}
	return -1
}
