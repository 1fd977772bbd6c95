//go:build !linux

package cni_test

import (
	"os"
	"runtime"
	"testing"
)

func TestLint(t *testing.T) {
	if os.Getenv("CI") != "" {
		t.Fatal("the plugins are for Linux")
	}
	t.Skip("the plugins are not run, as they are for Linux, and this is " + runtime.GOOS)
}
