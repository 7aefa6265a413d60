// Package pinned starts programs on one core each, and ends them with what they
// have started themselves.
package pinned
