package cni_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/containernetworking/plugins/plugins/ipam/host-local/backend/allocator"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/nad"
)

// TestHostLocal: for each configuration with host-local its own validator
// refuses what nad.Lint calls an error below ipam, but for what the validator
// does not look at.
func TestHostLocal(t *testing.T) {
	judged, refused := 0, 0
	for _, c := range corpus(t) {
		var conf struct {
			Plugins any
			IPAM    struct{ Type string }
		}
		if err := json.Unmarshal([]byte(c.config), &conf); err != nil || conf.Plugins != nil || conf.IPAM.Type != "host-local" {
			continue
		}
		judged++
		_, _, err := allocator.LoadIPAMConfig([]byte(c.config), "")
		if err != nil {
			refused++
		}
		if lint := hostLocalError(c); (err != nil) != (lint != "") && exceptionFor("", lint) < 0 {
			t.Errorf("%s:\n validator: %v\n Lint:      %q\n%s", c.name, err, lint, c.config)
		}
	}
	if judged < 100 || refused < 50 || refused == judged {
		t.Errorf("%d of %d refused, which proves little", refused, judged)
	}
}

// hostLocalError returns the first error of nad.Lint that is for the validator
// to find: not what becomes of routes in the kernel, nor of an empty range
// when it is to give out an address.
func hostLocalError(c testCase) string {
	for _, f := range nad.Lint(c.definition()) {
		isRange := slices.Contains([]string{"nad/range", "nad/required", "nad/address", "nad/cni-version", "nad/type"}, f.Code)
		isLater := strings.Contains(f.Message, "leaves nothing to give out") || strings.Contains(f.Path, ".routes[")
		if f.Severity == multihome.SeverityError && strings.HasPrefix(f.Path, "spec.config.ipam") && isRange && !isLater {
			return f.String()
		}
	}
	return ""
}
