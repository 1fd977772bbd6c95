package image_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multihome/multihome/multus/image"
)

// TestEntryTaken: which image of an index a node takes, as containerd chooses.
func TestEntryTaken(t *testing.T) {
	tests := []struct {
		node    string
		entries []string
		want    string // "": a pull fails
		present bool
	}{
		{"linux/arm64", []string{"linux/arm64"}, "linux/arm64", true},
		{"linux/arm64", []string{"linux/arm/v8", "linux/arm64/v8"}, "linux/arm64", true},
		{"linux/arm64/v8", []string{"linux/arm64"}, "linux/arm64", true},
		{"linux/arm64", []string{"linux/arm/v6", "linux/arm/v7"}, "linux/arm/v7", false},
		{"linux/arm64", []string{"linux/arm/6"}, "linux/arm/v6", false},
		{"linux/arm64", []string{"linux/arm64/v9", "windows/arm64"}, "", false},
		{"linux/amd64", []string{"linux/amd64/v1"}, "linux/amd64", true},
		{"linux/amd64", []string{"linux/amd64/v3"}, "", false},
		{"linux/amd64", []string{"linux/386"}, "linux/386", false},
		{"linux/386", []string{"linux/amd64"}, "", false},
		{"linux/arm", []string{"linux/arm/7"}, "linux/arm/v7", true},
		{"linux/arm/v7", []string{"linux/arm/v8", "linux/arm/v5"}, "linux/arm/v5", false},
		{"linux/arm/v6", []string{"linux/arm/v5"}, "linux/arm/v5", false},
		{"linux/arm/v8", []string{"linux/arm/v7"}, "linux/arm/v7", false},
		{"linux/s390x", []string{"linux/s390x"}, "linux/s390x", true},
	}
	for _, test := range tests {
		var entries []labelled
		for _, platform := range test.entries {
			entries = append(entries, labelled{platform, imageOf(t, platform)})
		}
		report, err := image.VerifyIndex(t.Context(), "a", indexOf(t, entries...), image.VerifyOptions{Platforms: []string{test.node}, Programs: []string{}})
		if err != nil {
			t.Fatal(err)
		}
		got := report.Platforms[0]
		if got.Entry != test.want || got.Present != test.present {
			t.Errorf("%s of %q: takes %q, present %t, want %q, %t", test.node, test.entries, got.Entry, got.Present, test.want, test.present)
		}
		if (report.Err() == nil) != test.present {
			t.Errorf("%s of %q: %v", test.node, test.entries, report.Err())
		}
	}
}

func TestOthers(t *testing.T) {
	index := indexOf(t, labelled{"linux/amd64", imageOf(t, "linux/amd64")}, labelled{"linux/s390x", imageOf(t, "linux/s390x")}, labelled{"linux/s390x", imageOf(t, "linux/s390x")}, labelled{"unknown/unknown", imageOf(t, "unknown/unknown")})
	report, err := image.VerifyIndex(t.Context(), "a", index, image.VerifyOptions{Platforms: []string{"linux/amd64", "linux/amd64"}, Programs: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"linux/s390x"}, report.Others); diff != "" || len(report.Platforms) != 1 {
		t.Errorf("others (-want +got):\n%s%+v", diff, report.Platforms)
	}
}
