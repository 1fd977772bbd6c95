// Package cgroups makes and removes the cgroups of a lab's nodes.
package cgroups

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/multihome/multihome/internal/e2e/lab/nodeapi"
)

const root = "/sys/fs/cgroup"

// For returns the cgroups of that name that a node gets, in each hierarchy of version 1 below this
// process's own. On a machine with version 2 alone it is one, below the root: only there may a cgroup have
// processes beside a child with controllers.
func For(name string) ([]nodeapi.Cgroup, error) {
	var kind unix.Statfs_t
	if err := unix.Statfs(root, &kind); err != nil {
		return nil, fmt.Errorf("%s: %w", root, err)
	}
	if kind.Type == unix.CGROUP2_SUPER_MAGIC {
		return []nodeapi.Cgroup{{Dir: filepath.Join(root, name)}}, nil
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	var cgroups []nodeapi.Cgroup
	for line := range strings.Lines(string(own)) {
		// "4:memory:/path"; version 2, beside version 1, has no controllers.
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 || fields[1] == "" {
			continue
		}
		hierarchy := filepath.Join(root, strings.TrimPrefix(fields[1], "name="))
		if _, err := os.Stat(hierarchy); err == nil {
			cgroups = append(cgroups, nodeapi.Cgroup{Controllers: fields[1], Dir: filepath.Join(hierarchy, fields[2], name)})
		}
	}
	if len(cgroups) == 0 {
		return nil, errors.New("/proc/self/cgroup: names no hierarchy that is mounted below " + root)
	}
	return cgroups, nil
}

// Make makes one of a node's cgroups, unless it is there.
func Make(c nodeapi.Cgroup) error {
	parent := filepath.Dir(c.Dir)
	if c.Controllers == "" {
		if err := enableControllers(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(c.Dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if c.Controllers != "cpuset" {
		return nil
	}
	// Version 1 lets nothing run in a cpuset until it has processors and memory.
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, file))
		if err == nil {
			err = os.WriteFile(filepath.Join(c.Dir, file), value, 0)
		}
		if err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(c.Dir, "cgroup.clone_children"), []byte("1"), 0)
}

// enableControllers lets a version 2 cgroup's children have what the kubelet needs.
func enableControllers(dir string) error {
	return os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+cpu +cpuset +io +memory +pids"), 0)
}

// Remove removes the cgroup in a directory and those below, once no process is in them. Their files cannot be removed, and go with them.
func Remove(top string) error {
	var dirs []string
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	for _, dir := range slices.Backward(dirs) {
		if removed := os.Remove(dir); !errors.Is(removed, fs.ErrNotExist) {
			err = errors.Join(err, removed)
		}
	}
	return err
}
