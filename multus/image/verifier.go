package image

import (
	"context"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/multus"
)

// Verifier is the [multus.ImageVerifier] that asks registries, for
// Installer.VerifyingImages. The zero value works.
type Verifier struct {
	// Registry says how registries are reached.
	Registry RegistryOptions
	// Limits bound what an image can cost.
	Limits Limits
}

// VerifyImage looks into the image of one use, on the architectures of the
// nodes that pull it.
func (v Verifier) VerifyImage(ctx context.Context, use multus.ImageUse) ([]multihome.Finding, error) {
	options := VerifyOptions{Programs: use.Programs, Optional: use.Optional, Registry: v.Registry, Limits: v.Limits}
	if options.Programs == nil {
		options.Programs = []string{}
	}
	for _, arch := range use.Architectures {
		options.Platforms = append(options.Platforms, "linux/"+arch)
	}
	report, err := Verify(ctx, use.Image, options)
	return report.Findings, err
}
