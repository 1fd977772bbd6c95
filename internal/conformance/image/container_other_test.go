//go:build !linux

package image

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func containers(t *testing.T, _ v1.ImageIndex, _ string) {
	t.Skip("not Linux: NOT RUN: what a DaemonSet runs in the image's file system")
}
