package golden_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/internal/golden"
)

// recorder takes the place of the test whose outcome is looked at.
type recorder struct {
	testing.TB
	messages []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.messages = append(r.messages, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(r)
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

// outcome runs f and returns what it reported.
func outcome(t *testing.T, f func(testing.TB)) (messages []string) {
	t.Helper()
	r := &recorder{TB: t}
	defer func() {
		if reason := recover(); reason != nil && reason != any(r) {
			panic(reason)
		}
		messages = r.messages
	}()
	f(r)
	return nil
}

func setUpdate(t *testing.T, value string) {
	t.Helper()
	old := flag.Lookup("update").Value.String()
	set := func(value string) {
		if err := flag.Set("update", value); err != nil {
			t.Fatal(err)
		}
	}
	set(value)
	t.Cleanup(func() { set(old) })
}

func TestCheck(t *testing.T) {
	setUpdate(t, "false")
	path := filepath.Join(t.TempDir(), "case.txtar")
	if err := os.WriteFile(path, []byte("about\n-- in --\n1\n-- want --\n2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name               string
		path, section, got string
		want               string // part of the report, "" for none
	}{
		{"equal", path, "want", "2\n", ""},
		{"equal but for the last newline", path, "want", "2", ""},
		{"different", path, "want", "3\n", "section want (-want +got; rewrite with -update)"},
		{"section missing", path, "other", "2\n", `golden file has no section "other"`},
		{"file missing", path + "x", "want", "2\n", "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := outcome(t, func(tb testing.TB) {
				tb.Helper()
				golden.Check(tb, tt.path, tt.section, []byte(tt.got))
			})
			switch report := strings.Join(got, "\n"); {
			case tt.want == "" && report != "":
				t.Errorf("got report %q, want none", report)
			case !strings.Contains(report, tt.want):
				t.Errorf("got report %q, want %q in it", report, tt.want)
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	setUpdate(t, "true")
	path := filepath.Join(t.TempDir(), "testdata", "case.txtar")
	golden.Check(t, path, "one", []byte("1"))
	golden.Check(t, path, "two", []byte("2\n"))
	golden.Check(t, path, "one", []byte("0\n"))
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("-- one --\n0\n-- two --\n2\n", string(content)); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if got := string(golden.Section(t, golden.Archive(t, path), "two")); got != "2\n" {
		t.Errorf("section two: got %q", got)
	}
	got := outcome(t, func(tb testing.TB) {
		tb.Helper()
		golden.Check(tb, t.TempDir(), "one", nil)
	})
	if len(got) == 0 {
		t.Error("a directory as golden file: got no report")
	}
}
