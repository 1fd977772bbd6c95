// Vm runs a command as root in a virtual machine with Debian's kernel, in the current directory, and ends with its
// exit code. See package vm for what the command sees.
//
//	go run ./cmd/vm [-memory MIB] [-cpus N] [-timeout DURATION] [-console FILE] COMMAND [ARGUMENT]...
//
// It runs tests of any package, built on this machine, with go test's -exec.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/multihome/multihome/internal/e2e/vm"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 125 // as programs that run others say that they did not
	}
	os.Exit(code)
}

func run(ctx context.Context) (exitCode int, err error) {
	options := vm.Options{Stdout: os.Stdout, Stderr: os.Stderr}
	flag.IntVar(&options.Memory, "memory", 0, "MiB of memory (default 2048)")
	flag.IntVar(&options.CPUs, "cpus", 0, "number of processors (default: as many as there are, at most 4)")
	timeout := flag.Duration("timeout", time.Hour, "how long the command may take, with the boot")
	console := flag.String("console", "", "file for what the kernel prints (default: only the end of it, in an error)")
	flag.Parse()

	if *console != "" {
		file, err := os.Create(*console)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		options.Console = file
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	start := time.Now()
	code, err := vm.Run(ctx, flag.Args(), options)
	fmt.Fprintf(os.Stderr, "vm: ended after %s\n", time.Since(start).Round(time.Second))
	return code, err
}
