package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// shell runs the program of "-c", that in a file, or what it reads from
// standard input, of which it leaves nothing for others. It knows the options of
// set: "sh -eu -c PROGRAM NAME ARG...".
func shell(ctx context.Context, c call) int {
	options, name, program, params := shellArgs(c.args)
	runner, err := interp.New(
		interp.Params(append(options, params...)...),
		interp.StdIO(c.stdin, c.stdout, c.stderr),
		interp.ExecHandlers(inProcess),
	)
	if err != nil {
		return c.fail(err)
	}
	if program == nil {
		return interactive(ctx, runner, c)
	}
	source, err := program()
	if err != nil {
		return c.fail(err)
	}
	file, err := syntax.NewParser().Parse(strings.NewReader(source), name)
	if err != nil {
		fmt.Fprintln(c.stderr, err)
		return 2
	}
	return c.status(runner.Run(ctx, file))
}

// shellArgs tells the options of set, the program's name, which is its $0, the
// program, nil for standard input, and its parameters.
func shellArgs(args []string) (options []string, name string, program func() (string, error), params []string) {
	command, name := false, "sh"
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && args[0] != "--" {
		option := strings.ReplaceAll(args[0], "c", "")
		command = command || option != args[0]
		if option != "-" {
			options = append(options, option)
		}
		args = args[1:]
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	options = append(options, "--")
	switch {
	case len(args) == 0:
		return options, name, nil, nil
	case command:
		program = func() (string, error) { return args[0], nil }
		if len(args) > 1 {
			name, params = args[1], args[2:]
		}
	default:
		name = args[0]
		program = func() (string, error) {
			content, err := os.ReadFile(args[0])
			return string(content), err
		}
		params = args[1:]
	}
	return options, name, program, params
}

// interactive runs each line as it comes, and prompts a terminal for it.
func interactive(ctx context.Context, runner *interp.Runner, c call) int {
	prompt := func(text string) {
		if isTerminal(c.stdin) {
			fmt.Fprint(c.stderr, text)
		}
	}
	parser, status := syntax.NewParser(), 0
	prompt("# ")
	for statements, err := range parser.InteractiveSeq(c.stdin) {
		if err != nil {
			fmt.Fprintln(c.stderr, err)
			return 2
		}
		if parser.Incomplete() {
			prompt("> ")
			continue
		}
		for _, statement := range statements {
			status = c.status(runner.Run(ctx, statement))
			if runner.Exited() {
				return status
			}
		}
		prompt("# ")
	}
	return status
}

func isTerminal(r io.Reader) bool {
	file, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// status is the exit status of what ended with err.
func (c call) status(err error) int {
	if err == nil {
		return 0
	}
	if status, ok := errors.AsType[interp.ExitStatus](err); ok {
		return int(status)
	}
	return c.fail(err)
}

// inProcess runs tools that are called without a path; the rest are programs.
func inProcess(next interp.ExecHandlerFunc) interp.ExecHandlerFunc {
	return func(ctx context.Context, args []string) error {
		t, ok := tools[args[0]]
		if !ok {
			return next(ctx, args)
		}
		shell := interp.HandlerCtx(ctx)
		status := t(ctx, call{
			name: args[0], args: args[1:], dir: shell.Dir,
			stdin: shell.Stdin, stdout: shell.Stdout, stderr: shell.Stderr,
		})
		if status != 0 {
			return interp.ExitStatus(status)
		}
		return nil
	}
}
