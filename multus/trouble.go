package multus

import (
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/multihome/multihome"
)

// trouble is one row of the table of known messages.
type trouble struct {
	// code is stable: "multus/netns". Several rows never share one.
	code string
	// severity "" is error.
	severity multihome.Severity
	// symptoms are the texts that give it away, any one of them. A * stands for
	// up to [longestGap] bytes; the last one, for a word.
	symptoms []string
	// observed describes what no message tells: what [Installer.Audit] sees
	// from objects. Such a row has no symptoms.
	observed string
	// message and remedy may quote what the first and second * stand for as
	// {1} and {2}.
	message string
	remedy  string
	source  string
}

const (
	// longestMessage is how much of a message is looked at.
	longestMessage = 1 << 20
	// longestGap is how far apart the parts of a symptom may be.
	longestGap = 256
	// longestQuote is how much of a message a Finding repeats in one place.
	longestQuote = 200
)

// troubles is the table. Where a message fits several rows, the first counts:
// what is particular stands before what is general.
func troubles() []trouble {
	return slices.Concat(daemonTroubles, startTroubles, networkTroubles, ipamTroubles, interfaceTroubles, nodeTroubles, auditTroubles)
}

// Explain recognises a message and says what it means: the cause, what to do
// about it with the call of this library that does it, and where that is known
// from. It takes the message of a FailedCreatePodSandbox event, of a container
// that ended, lines from the daemon's log, or what a plugin said. It reports
// false for what it does not know. The table is in docs/troubleshooting.md.
//
// The Finding's Object is empty. Of messages longer than 1 MiB the beginning
// counts. Where a message holds several known texts, the most particular one
// is explained.
func Explain(message string) (multihome.Finding, bool) {
	message = message[:min(len(message), longestMessage)]
	table := troubleTable()
	best, quotes := len(table.rows), []string(nil)
	for n := 0; n+keyLength <= len(message); n++ {
		if !table.likely[int(message[n])<<8|int(message[n+1])] {
			continue
		}
		for _, symptom := range table.starts[startOf(message[n:])] {
			if symptom.row >= best {
				break
			}
			if found, ok := symptom.match(message[n:]); ok {
				best, quotes = symptom.row, found
				break
			}
		}
	}
	if best == len(table.rows) {
		return multihome.Finding{}, false
	}
	return table.rows[best].finding(quotes...), true
}

// finding fills a row's texts with what was found in the places of its *.
func (t trouble) finding(quotes ...string) multihome.Finding {
	words := make([]string, 0, 4)
	for n, place := range []string{"{1}", "{2}"} {
		quote := "…"
		if n < len(quotes) {
			quote = quoted(quotes[n])
		}
		words = append(words, place, quote)
	}
	fill := strings.NewReplacer(words...)
	severity := t.severity
	if severity == "" {
		severity = multihome.SeverityError
	}
	return multihome.Finding{
		Code: t.code, Severity: severity, Message: fill.Replace(t.message), Remedy: fill.Replace(t.remedy), Source: t.source,
	}
}

// quoted makes a piece of an untrusted message fit to be repeated.
func quoted(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
	if len(text) <= longestQuote {
		return text
	}
	return strings.ToValidUTF8(text[:longestQuote], "") + "…"
}

// keyLength is how many bytes of a symptom's beginning are looked up.
const keyLength = 3

// startOf is the beginning of a text as a key.
func startOf(text string) [keyLength]byte { return [keyLength]byte([]byte(text[:keyLength])) }

// symptom is one text of a row, ready to be compared.
type symptom struct {
	row   int
	parts []string
}

// match compares a symptom with the beginning of a text and returns what is
// in the places of its *.
func (s symptom) match(text string) (quotes []string, ok bool) {
	if !strings.HasPrefix(text, s.parts[0]) {
		return nil, false
	}
	text = text[len(s.parts[0]):]
	for _, part := range s.parts[1:] {
		at := strings.Index(text[:min(len(text), longestGap+len(part))], part)
		if part == "" { // a * at the end
			at = strings.IndexAny(text[:min(len(text), longestGap)], " \t\n,;:'\"")
			if at < 0 {
				at = min(len(text), longestGap)
			}
		}
		if at < 0 {
			return nil, false
		}
		quotes = append(quotes, text[:at])
		text = text[at+len(part):]
	}
	return quotes, true
}

// compiledTroubles is the table with its symptoms by their beginnings, in the
// order of the rows.
type compiledTroubles struct {
	rows   []trouble
	starts map[[keyLength]byte][]symptom
	likely [1 << 16]bool // by the first two bytes of a symptom
}

// troubleTable is made once, at the first message.
var troubleTable = sync.OnceValue(func() *compiledTroubles {
	table := &compiledTroubles{rows: troubles(), starts: map[[keyLength]byte][]symptom{}}
	for row, t := range table.rows {
		for _, text := range t.symptoms {
			key := startOf(text)
			table.likely[int(key[0])<<8|int(key[1])] = true
			table.starts[key] = append(table.starts[key], symptom{row: row, parts: strings.Split(text, "*")})
		}
	}
	return table
})

// knownTrouble is the finding of a row, by its code.
func knownTrouble(code string, quotes ...string) multihome.Finding {
	rows := troubleTable().rows
	return rows[slices.IndexFunc(rows, func(t trouble) bool { return t.code == code })].finding(quotes...)
}
