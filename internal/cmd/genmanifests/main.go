// Command genmanifests writes the manifests that package multus embeds.
//
//	go run ./internal/cmd/genmanifests                  # write all releases of the lock again
//	go run ./internal/cmd/genmanifests -add v4.3.1      # and one more
//	go run ./internal/cmd/genmanifests -check           # compare, offline, write nothing
//
// It reads them out of upstream's Go module, verified against the checksum
// database. A release that is not there can be added only if its file is the
// same as that of a verified release:
//
//	git show v4.2.1:deployments/multus-daemonset-thick.yml >thick.yml # in a clone of upstream
//	go run ./internal/cmd/genmanifests -add v4.2.1 -tag-file thick.yml
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/multihome/multihome/internal/upstream"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, sources{upstream.Download, upstream.Cached})
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "genmanifests:", err)
		os.Exit(1)
	}
}

// sources are where releases come from.
type sources struct{ verified, cached upstream.Fetch }

func run(ctx context.Context, args []string, out io.Writer, from sources) error {
	flags := flag.NewFlagSet("genmanifests", flag.ContinueOnError)
	flags.SetOutput(out)
	var (
		dir     = flags.String("dir", "", "directory of the manifests and their lock (default multus/manifests of this module)")
		check   = flags.Bool("check", false, "compare the directory with its lock and the module cache; write nothing, no network")
		add     = flags.String("add", "", "release to add, or to read again: v4.3.1")
		tagFile = flags.String("tag-file", "", "with -add: the thick manifest at the release's git tag, for a release without verifiable module")
	)
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q; to add a release write -add %[1]s", flags.Arg(0))
	case *check && *add != "":
		return errors.New("-check and -add exclude each other")
	case *tagFile != "" && *add == "":
		return errors.New("-tag-file needs -add")
	}
	if *dir == "" {
		root, err := moduleRoot(ctx)
		if err != nil {
			return err
		}
		*dir = filepath.Join(root, "multus", "manifests")
	}
	if *check {
		return checkDir(ctx, *dir, out, from.cached)
	}
	lock, err := upstream.ReadLock(*dir)
	if err != nil {
		return err
	}
	if *add != "" {
		if lock, err = addRelease(lock, *add, *tagFile); err != nil {
			return err
		}
	}
	if len(lock.Releases) == 0 {
		return fmt.Errorf("%s names no release; add the first with -add", filepath.Join(*dir, upstream.LockFile))
	}
	return writeDir(ctx, *dir, lock, out, from.verified)
}

// moduleRoot finds the module around the working directory: "go generate" runs
// the command in the directory of a package.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	file := strings.TrimSpace(string(out))
	if filepath.Base(file) != "go.mod" {
		return "", errors.New("not inside a Go module; name the directory with -dir")
	}
	return filepath.Dir(file), nil
}

// addRelease puts a release into the lock, in the place of one that is there.
func addRelease(lock upstream.Lock, version, tagFile string) (upstream.Lock, error) {
	release := upstream.Release{Version: version}
	if tagFile != "" {
		data, err := os.ReadFile(tagFile)
		if err != nil {
			return lock, err
		}
		release = upstream.Unverified(version, data)
	}
	lock.Releases = slices.DeleteFunc(slices.Clone(lock.Releases),
		func(r upstream.Release) bool { return r.Version == version })
	lock.Releases = append(lock.Releases, release)
	return lock, nil
}

func writeDir(ctx context.Context, dir string, lock upstream.Lock, out io.Writer, fetch upstream.Fetch) error {
	tree, err := upstream.Build(ctx, lock, func(ctx context.Context, version string) (upstream.Module, error) {
		fmt.Fprintf(out, "reading %s@%s\n", upstream.ModulePath, version)
		return fetch(ctx, version)
	})
	if err != nil {
		return err
	}
	if err := tree.Write(dir); err != nil {
		return err
	}
	fmt.Fprintf(out, "wrote %d manifests of %d releases to %s\n", len(tree.Files), len(tree.Lock.Releases), dir)
	return nil
}

func checkDir(ctx context.Context, dir string, out io.Writer, fetch upstream.Fetch) error {
	report, err := upstream.Check(ctx, dir, fetch)
	if err != nil {
		return fmt.Errorf("%s:\n%w\nwrite it again with go run ./internal/cmd/genmanifests", dir, err)
	}
	for _, line := range []struct {
		text     string
		versions []string
	}{
		{"equal to upstream's module", report.Upstream},
		{"equal to the lock (module not in the cache)", report.LockOnly},
		{"same recorded sha256 as a verified release (module cannot be verified)", report.Unverified},
	} {
		if len(line.versions) > 0 {
			fmt.Fprintf(out, "%s: %s\n", line.text, strings.Join(line.versions, " "))
		}
	}
	return nil
}
