package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// debianPackages are what cannot be built from Go modules, each with a file that it brings.
var debianPackages = []struct{ name, file, purpose string }{
	{"gcc", "/usr/bin/gcc", "runc has C code"},
	{"libc6-dev", "/usr/include/stdlib.h", "runc has C code"},
	{"pkg-config", "/usr/bin/pkg-config", "runc finds libseccomp by it"},
	{"libseccomp-dev", "/usr/include/seccomp.h", "runc links it"},
	{"busybox-static", busybox, "images with a shell have it"},
	{"iptables", "/usr/sbin/iptables", "portmap and flanneld call it"},
}

const busybox = "/bin/busybox"

// needDebianPackages installs the packages that are missing.
func needDebianPackages(ctx context.Context, progress io.Writer) error {
	var missing []string
	for _, p := range debianPackages {
		if _, err := os.Stat(p.file); err != nil {
			missing = append(missing, p.name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	list := strings.Join(missing, " ")
	if os.Geteuid() != 0 {
		return errors.New("the Debian packages " + list + " are missing: install them")
	}
	fmt.Fprintln(progress, "e2e: installing Debian packages:", list)
	for _, args := range [][]string{{"update"}, append([]string{"install", "--yes", "--no-install-recommends"}, missing...)} {
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"--quiet=2"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("install %s: apt-get %s: %w\n%s", list, args[0], err, out)
		}
	}
	return nil
}
