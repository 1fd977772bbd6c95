package main

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/multihome/multihome/internal/e2e/lab/cgroups"
)

// clean removes a directory and cgroups, with what is below them, once standard input ends: when whoever started
// it has closed the pipe or is gone, however it went. It waits for the processes in them to end.
func clean(dir string, ofNodes []string) error {
	_, _ = io.Copy(io.Discard, os.Stdin)
	var err error
	for range 200 {
		err = os.RemoveAll(dir)
		for _, cgroup := range ofNodes {
			err = errors.Join(err, cgroups.Remove(cgroup))
		}
		if err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}
