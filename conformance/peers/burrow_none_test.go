//go:build !burrowserver

package peers

// servers are what the tests run on.
func servers() []server { return []server{yardstick} }
