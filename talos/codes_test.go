package talos_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCodesAreDocumented: the package documentation lists every code that the
// package uses, and no other.
func TestCodesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "# Findings")
	section, _, _ = strings.Cut(section, "# Versions")
	documented := make(map[string]bool)
	for _, word := range regexp.MustCompile(`[a-z]+(-[a-z]+)*`).FindAllString(section, -1) {
		documented[word] = true
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, match := range regexp.MustCompile(`Severity(?:Error|Warning|Info), "([a-z-]+)"|severity, "([a-z-]+)"|Code: "talos/([a-z-]+)"`).FindAllStringSubmatch(string(content), -1) {
			used[match[1]+match[2]+match[3]] = true
		}
	}
	if len(used) < 30 {
		t.Errorf("only %d codes were found", len(used))
	}
	for code := range used {
		if !documented[code] {
			t.Errorf("%s is not in the documentation", code)
		}
		delete(documented, code)
	}
	for word := range documented {
		if strings.Contains(word, "-") {
			t.Errorf("%s is documented and not used", word)
		}
	}
}
