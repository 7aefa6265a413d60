// Package peers holds tests only: real programs, not mocks, talk to httpd over
// loopback. curl, nginx and haproxy meet a handler that tells what it received
// (handler_test.go) on every driver, with net/http beside them as the
// yardstick; wrk and h2load meet the program examples/hello.
//
// # Usage
//
// `make peers` installs the programs, `make conformance` runs the tests. With
// CI=true a missing program is a failure; elsewhere its tests are skipped by
// name.
//
// # Cancellation
//
// Every program is started by a test and stopped by its process id at the end
// of it: SIGTERM, and SIGKILL five seconds later.
//
// # Limitations
//
// Sockets are handed to nginx and haproxy as open descriptors, so that no port
// can be lost between choosing and using it; this needs a Unix.
package peers
