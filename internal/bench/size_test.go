package bench_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// most is how much larger than the other a program may be that calls everything
// of package multus, in percent.
const most = 10

// TestSize builds both programs of the folder size.
func TestSize(t *testing.T) {
	bare, multus := sizes(t)
	larger := 100 * float64(multus-bare) / float64(bare)
	t.Logf("%d bytes with controller-runtime's client, %d with multus: %.1f %% larger", bare, multus, larger)
	if larger > most {
		t.Errorf("a program that calls everything of multus is %.1f %% larger than one with the bare client, want %d at most; go tool nm -size -sort size tells why", larger, most)
	}
}

// BenchmarkSize reports what TestSize holds.
func BenchmarkSize(b *testing.B) {
	var bare, multus int64
	for b.Loop() {
		bare, multus = sizes(b)
	}
	b.ReportMetric(float64(bare), "bare-B")
	b.ReportMetric(float64(multus), "multus-B")
	b.ReportMetric(100*float64(multus-bare)/float64(bare), "%larger")
}

// sizes returns how large the stripped programs are.
func sizes(tb testing.TB) (bare, multus int64) {
	tb.Helper()
	size := func(name string) int64 {
		program := filepath.Join(tb.TempDir(), name)
		if out, err := exec.CommandContext(tb.Context(), "go", "build", "-ldflags", "-s -w", "-o", program, "./size/"+name).CombinedOutput(); err != nil {
			tb.Fatalf("%v\n%s", err, out)
		}
		info, err := os.Stat(program)
		if err != nil {
			tb.Fatal(err)
		}
		return info.Size()
	}
	return size("bare"), size("multus")
}
