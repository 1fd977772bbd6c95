package conformance_test

import (
	"testing"

	conformance "github.com/multihome/multihome/internal/conformance/talos"
)

func TestTalos(t *testing.T) { conformance.Run(t, "v1.11.6", "1.34.0") }
