// Package leak finds goroutines and descriptors that tests leave behind.
//
// # Usage
//
//	func TestMain(m *testing.M) { leak.Main(m) }
//
// A goroutine that was started during the tests and is there two seconds after
// the last one fails the run, with its stack. Goroutines of the runtime, of
// package testing and of os/signal do not count.
//
// # Limitations
//
// The check runs once, after all tests, and only when they passed: a test that
// failed half-way is allowed to leave things behind.
package leak
