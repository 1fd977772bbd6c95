package image

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/multihome/multihome/multus"
)

// releaseTag finds the release in the tag of a thick image.
var releaseTag = regexp.MustCompile(`:(v\d+\.\d+\.\d+)\b`)

// choosePrograms fills in what a DaemonSet runs where the caller names nothing.
func (v *verification) choosePrograms() error {
	v.programs, v.optional = v.options.Programs, v.options.Optional
	if v.programs != nil {
		return nil
	}
	version := multus.DefaultVersion
	if match := releaseTag.FindStringSubmatch(v.report.Ref); match != nil && slices.Contains(multus.Versions(), match[1]) {
		version = match[1]
	}
	bundle, err := multus.Render(multus.Config{Version: version})
	if err != nil {
		return fmt.Errorf("programs of %s: %w", version, err)
	}
	for _, use := range bundle.ImageUses() {
		v.programs = use.Programs
		if v.optional == nil {
			v.optional = use.Optional
		}
	}
	return nil
}
