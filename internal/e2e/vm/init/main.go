// Init is process 1 of a virtual machine of package vm. It makes the machine's files the root, runs one command and
// turns the virtual machine off.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/multihome/multihome/internal/e2e/vm/guest"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("init:", err) // on the console
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() error {
	var job guest.Job
	content, err := os.ReadFile("/" + guest.JobFile)
	if err == nil {
		err = json.Unmarshal(content, &job)
	}
	if err != nil {
		return err
	}
	bootErr := boot(job)
	reports, err := openPort(guest.ReportPort) // which may be there without what boot did not do
	if err != nil {
		return errors.Join(bootErr, err)
	}
	say := json.NewEncoder(reports)
	if bootErr != nil {
		return errors.Join(bootErr, say.Encode(guest.Report{Error: bootErr.Error()}))
	}
	code, err := runCommand(job, func() error { return say.Encode(guest.Report{Alive: true}) })
	if err != nil {
		return errors.Join(err, say.Encode(guest.Report{Error: err.Error()}))
	}
	return say.Encode(guest.Report{ExitCode: &code})
}

// runCommand runs the command to its end and meanwhile gives signs of life.
func runCommand(job guest.Job, alive func() error) (exitCode int, err error) {
	stdout, err := openPort(guest.StdoutPort)
	if err != nil {
		return 0, err
	}
	stderr, err := openPort(guest.StderrPort)
	if err != nil {
		return 0, err
	}
	if err := alive(); err != nil {
		return 0, err
	}
	ended := make(chan error)
	go func() {
		var err error
		exitCode, err = execute(job, stdout, stderr)
		ended <- err
	}()
	tick := time.Tick(guest.AliveInterval)
	for {
		select {
		case err := <-ended:
			return exitCode, err
		case <-tick:
			if err := alive(); err != nil {
				return 0, err
			}
		}
	}
}

// openPort opens a port, which is there a moment after the module that makes it.
func openPort(number int) (*os.File, error) {
	pattern := fmt.Sprintf("/dev/vport*p%d", number)
	for range 100 {
		names, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		if len(names) > 0 {
			return os.OpenFile(names[0], os.O_WRONLY, 0)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil, fmt.Errorf("%s: did not come", pattern)
}
