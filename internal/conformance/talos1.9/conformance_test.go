package conformance_test

import (
	"testing"

	conformance "github.com/multihome/multihome/internal/conformance/talos"
)

func TestTalos(t *testing.T) { conformance.Run(t, "v1.9.5", "1.32.0") }
