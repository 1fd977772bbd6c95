package guest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/multihome/multihome/internal/e2e/vm/guest"
)

// TestPatience: what init adds to the environment is what makes programs wait longer.
func TestPatience(t *testing.T) {
	outside := guest.Patience(time.Second)
	for _, variable := range guest.Env() {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	if inside := guest.Patience(time.Second); inside <= outside {
		t.Errorf("%s in a virtual machine, %s outside", inside, outside)
	}
}
