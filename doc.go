// Package burrow is the map of a network communication layer for Go: it holds
// documentation only, the code is in the packages below it.
//
// A protocol is a pure value; sockets only feed it. The wire formats (package
// internal/http1 and its neighbours) consume bytes and return what they found.
// Package engine feeds them from event loops, or from one goroutine per
// connection where there is no event loop; package httpd is the HTTP server on
// top of it, package sock opens the listeners, and cmd/burrow is the command.
//
// ARCHITECTURE.md, beside this file, draws the floors and follows a request
// through them.
package burrow
