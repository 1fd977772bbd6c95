// Package bench measures this library beside others that do a part of the
// same. results has what benchstat reads; write it again with
//
//	for i in $(seq 10); do go test -run '^$' -bench . -benchmem -benchtime 0.5s -cpu 1 .; done > results/nad.txt
//
// on a machine that does nothing else. Rounds of all, so that a machine which is
// slower for a while is so for all; one processor, so that the collector does
// not take turns with another one's threads on the core.
package bench
