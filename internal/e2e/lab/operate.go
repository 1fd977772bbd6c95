package lab

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/multihome/multihome/internal/e2e/lab/nodeapi"
)

// Run runs a program in the node, as root on its console, and returns what it printed. The error holds what it
// said if it did not succeed.
func (n *Node) Run(ctx context.Context, args ...string) (stdout []byte, err error) {
	var out nodeapi.Output
	if err := n.call(ctx, "Run", nodeapi.Command{Args: args}, &out); err != nil {
		return nil, fmt.Errorf("%s: %w", n.name, err)
	}
	if out.ExitCode != 0 {
		return out.Stdout, fmt.Errorf("%s: %s: exit code %d\n%s", n.name, strings.Join(args, " "), out.ExitCode, out.Stderr)
	}
	return out.Stdout, nil
}

// Kill signals every process of a program in the node, those in containers too, by the program's file name:
// "multus-daemon". It fails if there is none.
func (n *Node) Kill(ctx context.Context, program string, signal syscall.Signal) error {
	var signalled int
	if err := n.call(ctx, "Signal", nodeapi.Signal{Program: program, Signal: signal}, &signalled); err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	if signalled == 0 {
		return fmt.Errorf("%s: kill %s: it does not run", n.name, program)
	}
	return nil
}

// StopService ends containerd or kubelet as the OS does. Pods keep running.
func (n *Node) StopService(ctx context.Context, name string) error {
	if err := n.call(ctx, "Stop", name, nil); err != nil {
		return fmt.Errorf("%s: stop %s: %w", n.name, name, err)
	}
	return nil
}

// StartService starts containerd or kubelet and returns when containerd answers.
func (n *Node) StartService(ctx context.Context, name string) error {
	services := n.services()
	i := slices.IndexFunc(services, func(c nodeapi.Command) bool { return c.Name == name })
	if i < 0 {
		return fmt.Errorf("%s: start %s: there is no such service", n.name, name)
	}
	if err := n.call(ctx, "Start", services[i], nil); err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	if name != containerd {
		return nil
	}
	return n.cluster.await(ctx, n.name+": containerd answers", func(ctx context.Context) error {
		_, err := n.Run(ctx, "ctr", "--connect-timeout=2s", "version")
		return err
	})
}

// RestartService is StopService and StartService.
func (n *Node) RestartService(ctx context.Context, name string) error {
	if err := n.StopService(ctx, name); err != nil {
		return err
	}
	return n.StartService(ctx, name)
}

// Files returns what is at the paths in the node and below, by path. What is not there is left out.
func (n *Node) Files(ctx context.Context, paths ...string) (map[string]File, error) {
	var files map[string]File
	if err := n.call(ctx, "ReadFiles", paths, &files); err != nil {
		return nil, fmt.Errorf("%s: read %s: %w", n.name, strings.Join(paths, ", "), err)
	}
	return files, nil
}

// File is a regular file, a symbolic link, whose content is its target, or a directory.
type File = nodeapi.File

// ReadFile returns the content of a file in the node.
func (n *Node) ReadFile(ctx context.Context, path string) ([]byte, error) {
	files, err := n.Files(ctx, path)
	if err != nil {
		return nil, err
	}
	file, ok := files[path]
	if !ok {
		return nil, fmt.Errorf("%s: %w", n.name, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist})
	}
	return file.Content, nil
}

// AwaitFile waits until there is something at a path in the node, /etc/cni/net.d/00-multus.conf for example.
func (n *Node) AwaitFile(ctx context.Context, path string) error {
	return n.cluster.await(ctx, n.name+": "+path, func(ctx context.Context) error {
		_, err := n.ReadFile(ctx, path)
		return err
	})
}

// WriteFile writes a file in the node, with the directories that it needs.
func (n *Node) WriteFile(ctx context.Context, path string, content []byte, mode fs.FileMode) error {
	file := nodeapi.WriteFile{Name: path, File: File{Mode: mode, Content: content}}
	if err := n.call(ctx, "WriteFile", file, nil); err != nil {
		return fmt.Errorf("%s: write %s: %w", n.name, path, err)
	}
	return nil
}

// Remove removes what is at a path in the node, and below. It is no error if nothing is.
func (n *Node) Remove(ctx context.Context, path string) error {
	if err := n.call(ctx, "Remove", path, nil); err != nil {
		return fmt.Errorf("%s: remove %s: %w", n.name, path, err)
	}
	return nil
}

// call asks noded.
func (n *Node) call(ctx context.Context, method string, in, out any) error {
	n.mu.Lock()
	m := n.machine
	n.mu.Unlock()
	if m == nil {
		return fmt.Errorf("the node is stopped")
	}
	if out == nil {
		out = &nodeapi.None{}
	}
	return m.call(ctx, method, in, out)
}
