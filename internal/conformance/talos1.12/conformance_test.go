package conformance_test

import (
	"testing"

	conformance "github.com/multihome/multihome/internal/conformance/talos"
)

func TestTalos(t *testing.T) { conformance.Run(t, "v1.12.7", "1.35.0") }
