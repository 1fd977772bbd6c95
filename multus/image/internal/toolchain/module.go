package toolchain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/version"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// ErrModule says that a module is not served, is not what it was when its hash was
// recorded, or holds no such commands.
var ErrModule = errors.New("module cannot be had")

// Module is a release of a Go module.
type Module struct {
	Path, Version string
	// Sum and GoModSum are the hashes that the module and its go.mod must
	// have, as in a go.sum. Empty: the checksum database must know them.
	Sum, GoModSum string
}

func (m Module) String() string { return m.Path + "@" + m.Version }

// Source is a module that is there, with what it requires written down in a
// module around it, of which it is a dependency: "go build" on the module
// itself would leave its version out of the programs.
type Source struct {
	toolchain *Toolchain
	workspace string // directory of the module around it
	name      string // for errors

	// Files of the module.
	Files fs.FS
}

// workspaceModule is the name of the module around a module. It is in no
// program's path.
const workspaceModule = "multihome.invalid/build"

// Module fetches a module. The errors are ErrModule, and ErrToolchain if the
// module needs a newer Go.
func (t *Toolchain) Module(ctx context.Context, m Module) (*Source, error) {
	s, err := t.fetch(ctx, m)
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("%s: %w", m, err)
	}
	return s, err
}

func (t *Toolchain) fetch(ctx context.Context, m Module) (*Source, error) {
	var env []string
	sums := ""
	switch {
	case m.Sum != "":
		sums = m.sums()
	case t.unverified:
		return nil, fmt.Errorf("%w: its hash is not on record here, and GOSUMDB is off; unset it", ErrModule)
	default:
		env = []string{"GONOSUMDB=none", "GOPRIVATE="} // no pattern exempts it
	}
	s, err := t.newWorkspace(m.String(), map[string]string{
		"go.mod": "module " + workspaceModule + "\n\ngo 1.21\n",
		"go.sum": sums,
	})
	if err != nil {
		return nil, err
	}
	found, err := s.download(ctx, m, env)
	if err != nil {
		return nil, err
	}
	s.Files = os.DirFS(found.Dir)
	mod, err := fs.ReadFile(s.Files, "go.mod")
	if err != nil {
		return nil, err
	}
	sum, err := fs.ReadFile(s.Files, "go.sum")
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it may require nothing
		return nil, err
	}
	m.Sum, m.GoModSum = found.Sum, found.GoModSum
	around := moduleLine.ReplaceAllLiteralString(string(mod), "module "+workspaceModule)
	return s, errors.Join(
		s.write("go.mod", strings.TrimRight(around, "\n")+"\n\nrequire "+m.Path+" "+m.Version+"\n"),
		s.write("go.sum", string(sum)+m.sums()),
	)
}

// sums are the lines of a go.sum.
func (m Module) sums() string {
	return fmt.Sprintf("%s %s %s\n%s %s/go.mod %s\n", m.Path, m.Version, m.Sum, m.Path, m.Version, m.GoModSum)
}

// Sources makes a module of files: Go sources of one command, go.mod and go.sum.
func (t *Toolchain) Sources(files map[string]string) (*Source, error) {
	s, err := t.newWorkspace("own sources", files)
	if err != nil {
		return nil, err
	}
	s.Files = os.DirFS(s.workspace)
	return s, t.supports(files["go.mod"])
}

func (t *Toolchain) newWorkspace(name string, files map[string]string) (*Source, error) {
	dir, err := os.MkdirTemp(t.dir, "module-*")
	if err != nil {
		return nil, err
	}
	s := &Source{toolchain: t, workspace: dir, name: name}
	for file, content := range files {
		if err := s.write(file, content); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Source) write(name, content string) error {
	return os.WriteFile(filepath.Join(s.workspace, name), []byte(content), 0o600)
}

// downloaded is what the Go command says of a module.
type downloaded struct {
	Dir, Sum, GoModSum, Error string
}

func (s *Source) download(ctx context.Context, m Module, env []string) (downloaded, error) {
	out, err := s.toolchain.run(ctx, call{dir: s.workspace, env: env}, "mod", "download", "-json", m.String())
	if ctx.Err() != nil {
		return downloaded{}, err
	}
	var found downloaded
	if jsonErr := json.Unmarshal(out, &found); err == nil {
		err = jsonErr
	}
	switch {
	case found.Error != "":
		err = errors.New(found.Error)
	case err == nil && m.Sum != "" && (m.Sum != found.Sum || m.GoModSum != found.GoModSum):
		err = fmt.Errorf("its hash is %s, not %s", found.Sum, m.Sum)
	}
	if err != nil {
		return downloaded{}, explain(err)
	}
	return found, nil
}

// explain says of what kind an error of the Go command is that looks for
// modules.
func explain(err error) error {
	if strings.Contains(err.Error(), "requires go >= ") {
		return fmt.Errorf("%w: %w", ErrToolchain, err)
	}
	return fmt.Errorf("%w: %w", ErrModule, err)
}

var (
	moduleLine = regexp.MustCompile(`(?m)^module\s.*$`)
	goLine     = regexp.MustCompile(`(?m)^go\s+(\S+)`)
)

// supports returns an error if the go.mod asks for a newer Go. A release that
// does not say which it is may be new enough.
func (t *Toolchain) supports(mod string) error {
	wanted := goLine.FindStringSubmatch(mod)
	if wanted == nil || !version.IsValid(t.Version) || version.Compare(t.Version, "go"+wanted[1]) >= 0 {
		return nil
	}
	return fmt.Errorf("%w: %s is %s, and go.mod asks for go %s", ErrToolchain, t.command, t.Version, wanted[1])
}
