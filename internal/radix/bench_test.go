package radix

import (
	"fmt"
	"testing"
)

func BenchmarkLookup(b *testing.B) {
	var patterns []string
	for i := range 20 {
		for _, tail := range []string{"", "/{owner}", "/{owner}/{repo}", "/{owner}/{repo}/issues", "/{owner}/{repo}/issues/{n:int}", "/{owner}/{repo}/tree/{path...}"} {
			patterns = append(patterns, fmt.Sprintf("GET /kind%d%s", i, tail))
		}
	}
	tree := plant(patterns)
	for _, c := range []struct{ name, path string }{
		{"static", "/kind7"},
		{"one", "/kind7/burrow"},
		{"int", "/kind19/burrow/burrow/issues/1234"},
		{"rest", "/kind19/burrow/burrow/tree/a/b/c"},
		{"escaped", "/kind19/burrow/burr%6Fw/issues/1234"},
		{"none", "/kind19/burrow/burrow/other"},
	} {
		b.Run(c.name, func(b *testing.B) {
			var ps Params
			method, path := []byte("GET"), []byte(c.path)
			b.ReportAllocs()
			for b.Loop() {
				tree.LookupBytes(nil, method, path, &ps)
			}
		})
	}
}

func BenchmarkInsert200(b *testing.B) {
	b.ReportAllocs()
	var patterns []string
	for i := range 200 {
		patterns = append(patterns, fmt.Sprintf("GET /kind%d/{owner}/x%d", i/10, i))
	}
	for b.Loop() {
		plant(patterns)
	}
}
