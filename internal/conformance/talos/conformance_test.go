package conformance_test

import (
	"testing"

	conformance "github.com/multihome/multihome/internal/conformance/talos"
)

func TestTalos(t *testing.T) { conformance.Run(t, "v1.13.9", "1.36.0") }
