// Package counts says how much a suite of tests has tried. A random test that
// draws nothing passes, and so does one that is skipped: here each of them reports
// what it did, and one table says how much that must be at least.
//
//	counts.Report(t, counts.Of{"histories": 1000, "operations": 165_611})
//
// fails the test where one of the numbers is zero. Where BERTH_COUNTS names a file,
// the numbers are added to it as a line:
//
//	internal/stacktest.TestConcurrentHistoriesAreLinearizable histories=1000 operations=165611
//
// CI has all tests write such a file, and program enough then compares it with the
// table, [Least]. The long runs of program soak read it, too.
package counts
