package lab

import (
	"maps"
	"slices"
)

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
