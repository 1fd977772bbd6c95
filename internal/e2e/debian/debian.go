// Package debian brings what tests need and no Go module has: programs from Debian's packages, and Debian's kernel.
package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Package is a package with a file that it brings, by which its absence is noticed.
type Package struct{ Name, File, Purpose string }

// Need installs those packages whose files are missing. Without root the error names them.
func Need(ctx context.Context, progress io.Writer, packages ...Package) error {
	var missing []string
	for _, p := range packages {
		if _, err := os.Stat(p.File); err != nil {
			missing = append(missing, p.Name)
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
	if err := update(ctx); err != nil {
		return fmt.Errorf("install %s: %w", list, err)
	}
	if _, err := output(ctx, "", "apt-get", append([]string{"--quiet=2", "install", "--yes", "--no-install-recommends"}, missing...)...); err != nil {
		return fmt.Errorf("install %s: %w", list, err)
	}
	return nil
}

// update fetches the lists of what Debian serves.
func update(ctx context.Context) error {
	_, err := output(ctx, "", "apt-get", "--quiet=2", "update")
	return err
}

// output runs a program in a directory and returns what it printed.
func output(ctx context.Context, dir, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", program, strings.Join(args, " "), err, out, said.String())
	}
	return out, nil
}
