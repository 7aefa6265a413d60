// Package wiretest feeds the vectors of a wire format to its parser, cut in every
// way a network can cut them.
//
// # Usage
//
//	for _, v := range wiretest.Vectors(t, "testdata/*.txtar") {
//		t.Run(v.Name, func(t *testing.T) {
//			got := wiretest.Feed(t, v.Input, parse)
//			v.Check(t, got)
//		})
//	}
//
// The format of an archive is at [Vectors]. With WIRETEST_UPDATE=1 in the
// environment, Check writes what it got into the archive instead of comparing;
// read the difference before believing it.
//
// # Limitations
//
// Only tests import it. Feed runs the parser as often as the input has bytes;
// inputs beyond 4 KiB are cut at a sample of the offsets.
package wiretest
