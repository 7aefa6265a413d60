// Package radix matches a request's host, method and path (the components of
// RFC 9110 section 4 and RFC 3986 section 3.3) against a set of patterns, in the
// pattern language of Go's http.ServeMux and with its precedence.
//
// # Usage
//
//	p, err := radix.Parse("GET /users/{id}")
//	tree, err = tree.Insert(p, value) // a new tree; the old one stays as it was
//	var ps radix.Params
//	route := tree.Lookup("", "GET", "/users/7", &ps) // nil: nothing matches
//
// A pattern is [METHOD ][HOST]/[PATH]. A segment of the path is a literal,
// {name} (one segment), {name:int} (one segment of decimal digits), or at the
// end {name...} (the rest), {$} (nothing more) or nothing ("/a/": the rest,
// unnamed). Literal text is compared case-sensitively, segment by segment, after
// percent-decoding: %2F never separates segments.
//
// The most specific pattern wins: literal, then int, then name, then the rest.
// Two patterns of which neither is more specific are refused by Insert. A pattern
// with a host precedes all patterns without.
//
// The tree is compressed by common prefix over a canonical text in which every
// escape is decoded but for %2F and %25, so that one byte comparison decides, and
// a separator is never confused with a slash inside a segment. Lookup allocates
// nothing for up to 16 wildcards and a path of any length, or of up to 512 bytes
// when it has escapes; Subtree nothing for a path of up to 511 bytes.
//
// # Cancellation
//
// Nothing here blocks. Trees are immutable: any number of goroutines may use one
// while another derives the next.
//
// # Limitations
//
// Hosts have no wildcards. Insert compares with every pattern already there, so
// that n insertions cost n*n/2 comparisons of some nanoseconds each.
package radix
