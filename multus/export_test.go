package multus

import (
	"fmt"
	"strings"

	"github.com/multihome/multihome"
)

// Trouble is a row of the table of known messages, for the tests.
type Trouble struct {
	Code     string
	Severity multihome.Severity
	Symptoms []string
	Observed string
	Message  string
	Remedy   string
	Source   string
}

// Troubles is the table.
func Troubles() []Trouble {
	var out []Trouble
	for _, t := range troubles() {
		f := t.finding()
		out = append(out, Trouble{t.code, f.Severity, t.symptoms, t.observed, t.message, t.remedy, t.source})
	}
	return out
}

// KnownTrouble is the finding of a row.
func KnownTrouble(code string, quotes ...string) multihome.Finding {
	return knownTrouble(code, quotes...)
}

// TroubleshootingDoc is docs/troubleshooting.md.
func TroubleshootingDoc() string {
	var b strings.Builder
	b.WriteString(`# Troubleshooting

What Multus, the plugins and the kubelet say when a pod does not get its networks, what it means and what to do about it. ` + "`…`" + ` stands for what differs. A program asks ` + "`multus.Explain(message)`" + `, which knows the same table; ` + "`Installer.Audit`" + ` finds the pods concerned and explains their events with it. Calls named below are those of this module.

This file is generated from the table in multus/trouble_*.go. Written by: go test ./multus -run TestTroubleshootingDoc -update

Look for the text of your message, or read what can be seen without one at the end.
`)
	for _, section := range []struct {
		title string
		rows  []trouble
	}{
		{"Multus is called and fails", daemonTroubles},
		{"Multus does not start", startTroubles},
		{"The annotation or the NetworkAttachmentDefinition is wrong", networkTroubles},
		{"There is no address", ipamTroubles},
		{"A plugin fails", interfaceTroubles},
		{"The node", nodeTroubles},
		{"There is no message", auditTroubles},
	} {
		fmt.Fprintf(&b, "\n## %s\n", section.title)
		for _, t := range section.rows {
			f := t.finding()
			b.WriteString("\n")
			for _, text := range t.symptoms {
				fmt.Fprintf(&b, "> `%s`\n>\n", strings.ReplaceAll(text, "*", "…"))
			}
			if t.observed != "" {
				fmt.Fprintf(&b, "> %s\n>\n", sentence(t.observed))
			}
			fmt.Fprintf(&b, "\n- **Cause:** %s\n- **Remedy:** %s\n- **Source:** %s\n- **Code:** `%s`, %s\n",
				sentence(f.Message), sentence(f.Remedy), f.Source, f.Code, f.Severity)
		}
	}
	return strings.ReplaceAll(b.String(), ">\n\n", "\n")
}

// sentence begins and ends a text as a sentence does.
func sentence(text string) string {
	if name, _, _ := strings.Cut(text, " "); !strings.ContainsAny(name, "…._-") && strings.ToLower(name) == name {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	return strings.ReplaceAll(text, "<", "&lt;") + "."
}
