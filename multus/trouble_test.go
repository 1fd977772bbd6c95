package multus_test

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/golden"
	"github.com/multihome/multihome/multus"
)

// sample is a message as people meet it, and the row that explains it.
type sample struct{ name, code, message string }

// samples reads testdata/troubles-*.txtar.
func samples(tb testing.TB) []sample {
	var out []sample
	for _, area := range []string{"multus", "network"} {
		for _, file := range golden.Archive(tb, "testdata/troubles-"+area+".txtar").Files {
			rule, _, _ := strings.Cut(file.Name, ".")
			out = append(out, sample{area + "/" + file.Name, area + "/" + rule, strings.TrimSuffix(string(file.Data), "\n")})
		}
	}
	return out
}

// fits reports whether a symptom is in a message, the slow and plain way.
func fits(symptom, message string) bool {
	for part := range strings.SplitSeq(symptom, "*") {
		_, rest, found := strings.Cut(message, part)
		if !found {
			return false
		}
		message = rest
	}
	return true
}

// TestExplainSamples: each message is explained by its own row.
func TestExplainSamples(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			f, ok := multus.Explain(s.message)
			if !ok || f.Code != s.code {
				t.Fatalf("explained by %q, %t; want %s", f.Code, ok, s.code)
			}
			if f.Object != "" || f.Path != "" || strings.ContainsAny(f.Message+f.Remedy, "{}") {
				t.Errorf("finding %+v, want no object, no path and every place filled", f)
			}
			if alone, ok := multus.Explain(" [x] " + s.message + "\n" + s.message); !ok || alone != f {
				t.Errorf("the message twice: %v, want %v", alone, f)
			}
		})
	}
}

// TestTroubles: every text of every row is in a sample, so that no row is
// shadowed by one before it; and every row says all that it should.
func TestTroubles(t *testing.T) {
	byCode := map[string][]string{}
	for _, s := range samples(t) {
		byCode[s.code] = append(byCode[s.code], s.message)
	}
	seen := map[string]bool{}
	rows := multus.Troubles()
	if len(rows) < 100 {
		t.Errorf("%d rows, want all that are known", len(rows))
	}
	for _, row := range rows {
		area, rule, _ := strings.Cut(row.Code, "/")
		if seen[row.Code] || !slices.Contains([]string{"multus", "network"}, area) || rule == "" {
			t.Errorf("code %q is there twice or is none", row.Code)
		}
		seen[row.Code] = true
		if row.Message == "" || row.Remedy == "" || row.Source == "" || (len(row.Symptoms) == 0) == (row.Observed == "") {
			t.Errorf("%s: row %+v says too little, or has both symptoms and an observation", row.Code, row)
		}
		for _, text := range []string{row.Message, row.Remedy, row.Source} {
			if strings.HasSuffix(text, ".") || strings.Contains(text, "\n") {
				t.Errorf("%s: %q is to be a part of a sentence", row.Code, text)
			}
		}
		for _, symptom := range row.Symptoms {
			if first, _, _ := strings.Cut(symptom, "*"); len(first) < 3 {
				t.Errorf("%s: %q begins with too little to be looked up", row.Code, symptom)
			}
			if !slices.ContainsFunc(byCode[row.Code], func(message string) bool { return fits(symptom, message) }) {
				t.Errorf("%s: no sample has %q", row.Code, symptom)
			}
		}
		delete(byCode, row.Code)
	}
	if len(byCode) > 0 {
		t.Errorf("samples of rows that do not exist: %v", slices.Sorted(maps.Keys(byCode)))
	}
}

// TestTroublesOrder: a symptom that holds a whole one of another row stands
// before it, or it would never be found.
func TestTroublesOrder(t *testing.T) {
	rows := multus.Troubles()
	for n, general := range rows {
		for _, particular := range rows[n+1:] {
			for _, a := range general.Symptoms {
				for _, b := range particular.Symptoms {
					if fits(a, b) {
						t.Errorf("%s hides %q of %s", general.Code, b, particular.Code)
					}
				}
			}
		}
	}
}

func TestExplainQuotes(t *testing.T) {
	long := strings.Repeat("é", 110)
	tests := []struct{ name, message, want string }{
		{"named", `failed to find plugin "ipvlan" in path [/opt/cni/bin]`, "the plugin ipvlan is not on the node"},
		{"two", "cannot find a network-attachment-definition (lan) in namespace (shop): not found", "there is no NetworkAttachmentDefinition lan in namespace shop"},
		{"last word", "annotation violates permission, pod is in namespace a but refers to target namespace b, so", "in namespace a may not use networks of namespace b:"},
		{"last word of all", "annotation violates permission, pod is in namespace a but refers to target namespace b", "of namespace b:"},
		{"control characters", "failed to find plugin \"a\x00\x1b[2J\nb\xff\" in path", "the plugin a[2J b is not"},
		{"long", `failed to find plugin "` + long + `" in path`, "the plugin " + strings.Repeat("é", 100) + "… is not"},
		{"not quoted", "Network has host bits set. For a", "make no sense"},
		{"never so far apart", `failed to find plugin "` + strings.Repeat("a", 300) + `" in path`, ""},
		{"first part alone", `failed to find plugin "`, ""},
		{"nothing", "", ""},
		{"short", "ok", ""},
		{"unknown", "Started container web", ""},
		{"behind the limit", strings.Repeat(" ", 1<<20) + "Link not found", ""},
		{"cut by the limit", strings.Repeat(" ", 1<<20-6) + "Link not found", ""},
		{"before the limit", strings.Repeat(" ", 1<<20-14) + "Link not found", "an interface that the NAD names"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, ok := multus.Explain(tt.message)
			if ok != (tt.want != "") || !strings.Contains(f.Message, tt.want) {
				t.Errorf("%t, %q, want %q", ok, f.Message, tt.want)
			}
		})
	}
}

// TestKnownTrouble: what Audit sees without a message has a place for each
// quote.
func TestKnownTrouble(t *testing.T) {
	f := multus.KnownTrouble("multus/away", "12:00", "12:05")
	want := multihome.Finding{
		Code: "multus/away", Severity: multihome.SeverityError,
		Message: "the pod started at 12:00 while Multus was away: it runs on the node since 12:05",
		Remedy:  "recreate the pod: Installer.Audit with Recreate",
		Source:  "multus-cni #1387, #1468, #1527: the daemon removes 00-multus.conf when it stops",
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("finding (-want +got):\n%s", diff)
	}
}

// TestTroubleshootingDoc holds docs/troubleshooting.md against the table.
func TestTroubleshootingDoc(t *testing.T) {
	const path = "../docs/troubleshooting.md"
	want := multus.TroubleshootingDoc()
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.MkdirAll("../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s (-want +got; rewrite with -update):\n%s", path, diff)
	}
}

// FuzzExplain: no panic, a Finding if and only if a symptom is there, and one
// that fits on a line.
func FuzzExplain(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.message)
	}
	rows := multus.Troubles()
	f.Fuzz(func(t *testing.T, message string) {
		finding, ok := multus.Explain(message)
		known := slices.ContainsFunc(rows, func(row multus.Trouble) bool {
			return slices.ContainsFunc(row.Symptoms, func(symptom string) bool { return fits(symptom, message) })
		})
		if ok && !known {
			t.Fatalf("explained as %v, and no symptom is there", finding)
		}
		if ok && (finding.Code == "" || strings.ContainsAny(finding.Message, "\n\x00") || len(finding.Message) > 1000) {
			t.Fatalf("finding %+v", finding)
		}
		if again, same := multus.Explain(message); same != ok || again != finding {
			t.Fatalf("explained as %v, then as %v", finding, again)
		}
	})
}

// BenchmarkExplain: an event, the longest message that is looked at with
// nothing in it, and one that begins to fit everywhere.
func BenchmarkExplain(b *testing.B) {
	benchmarks := []struct{ name, message string }{
		{"event", samples(b)[0].message},
		{"unknown event", strings.ReplaceAll(samples(b)[0].message, "Statfs", "stat")},
		{"1 MiB", strings.Repeat("the quick brown fox jumps over the lazy dog. ", 1<<20/45)},
		{"1 MiB of beginnings", strings.Repeat("failed to lookup master \" failed to add route ", 1<<20/46)},
	}
	for _, bb := range benchmarks {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.message)))
			for b.Loop() {
				multus.Explain(bb.message)
			}
		})
	}
}
