// Package bench measures this library beside others that do a part of the
// same. results has what benchstat reads; write it again with
//
//	go test -run '^$' -bench . -benchmem -count 10 . > results/nad.txt
//
// on a machine that does nothing else.
package bench
