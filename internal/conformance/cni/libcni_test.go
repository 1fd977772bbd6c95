package cni_test

import (
	"regexp"
	"testing"

	"github.com/containernetworking/cni/libcni"

	"github.com/multihome/multihome/nad"
)

// TestLibCNI: what libcni refuses to read as a list, nad.Parse or nad.Lint
// refuses. That libcni reads much that cannot work is proven by TestLint.
func TestLibCNI(t *testing.T) {
	refused, more := 0, 0
	for _, c := range corpus(t) {
		_, err := libcni.ConfListFromBytes([]byte(c.config))
		network, parseErr := nad.ParseConfig([]byte(c.config))
		isList := parseErr != nil || network.List
		switch lint := lintError(c); {
		case !isList:
		case err == nil && lint != "":
			more++
		case err != nil:
			refused++
			if lint == "" && !onlyOfFiles.MatchString(err.Error()) {
				t.Errorf("%s:\n libcni: %v\n Lint finds no error\n%s", c.name, err, c.config)
			}
		}
	}
	t.Logf("libcni refuses %d lists; it reads %d that nad calls an error", refused, more)
	if refused < 20 || more < 100 {
		t.Error("too few to prove anything")
	}
}

// onlyOfFiles is what libcni refuses in a file and not in a NAD, in which
// Multus puts the name that is missing.
var onlyOfFiles = regexp.MustCompile(`no name$`)
