package cni_test

import (
	"flag"
	"regexp"
	"slices"
	"testing"
)

// linkTypes is for a machine that is slow and has every link type: the virtual
// machine of make vm. There it is a refusal if the kernel does not make a link.
var linkTypes = flag.Bool("linktypes", false, "run the configurations alone whose link types some kernels lack, on one that has them all")

// linkType matches those: types of plugins, and keys for VLANs of a bridge.
var linkType = regexp.MustCompile(`(?i)"(dummy|ipvlan|vlan|vlanTrunk|vrf)"`)

// TestLint: nad.Lint says error exactly where Multus, libcni or a plugin
// refuses, and what was added can be deleted.
func TestLint(t *testing.T) {
	cases := corpus(t)
	if *linkTypes {
		cases = slices.DeleteFunc(cases, func(c testCase) bool { return !linkType.MatchString(c.config) })
	}
	verdicts := runAll(t, cases)
	used := make([]int, len(exceptions))
	var accepted, refused, undecided int
	for i, c := range cases {
		got, lint := verdicts[i], lintError(c)
		switch {
		case !*linkTypes && kernel.MatchString(got.add):
			undecided++
			continue
		case got.add != "":
			refused++
		default:
			accepted++
		}
		if got.add == "" && got.del != "" {
			t.Errorf("%s: added, but not deleted: %s\n%s", c.name, got.del, c.config)
		}
		if (got.add != "") == (lint != "") {
			continue
		}
		if n := exceptionFor(got.add, lint); n >= 0 {
			used[n]++
			continue
		}
		t.Errorf("%s:\n refusal: %q\n Lint:    %q\n%s", c.name, got.add, lint, c.config)
	}
	excepted := 0
	for n, e := range exceptions {
		excepted += used[n]
		if used[n] == 0 && !e.machine && !*linkTypes {
			t.Errorf("exception %d is for nothing: %s", n, e.reason)
		}
		t.Logf("%4d times: %s", used[n], e.reason)
	}
	t.Logf("%d configurations: %d accepted, %d refused, %d not decided because this kernel lacks the link type; %d exceptions", len(cases), accepted, refused, undecided, excepted)
	enough := 400
	if *linkTypes {
		enough = 100
	}
	if accepted < enough || refused < enough {
		t.Error("too few to prove anything")
	}
}
