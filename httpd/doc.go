// Package httpd is an HTTP/1.1 server (RFC 9110, RFC 9112) that runs any
// [net/http.Handler] on event loops, with HTTP/2 (RFC 9113) where TLS negotiates
// it.
//
// # Usage
//
//	srv := &httpd.Server{Handler: mux}
//	err := srv.Serve(ctx, ln)
//
// A handler has the semantics that net/http gives it: streamed bodies,
// 100-continue, trailers, Flush, Hijack, [net/http.ResponseController], a context
// that ends when the client goes away. A handler that is also a [DirectHandler]
// is called without an http.Request and without allocating.
//
// [Router] is a multiplexer with the patterns of http.ServeMux and more, [Files]
// serves a folder, [AccessLog] writes a line for each request.
//
// # Handlers that block
//
// A handler runs on its connection's event loop, which is free of charge, and may
// block: the loop then goes on without it (see package engine). The server
// remembers the paths that did, and runs them on goroutines from the start.
//
// # Cancellation
//
// Cancelling the context of Serve drains: idle connections close at once,
// requests in progress are answered, and Serve returns when the last has ended.
// After DrainTimeout their connections are closed and their contexts cancelled.
// Hijacked connections are not waited for.
//
// # Limitations
//
// No HTTP/2 without TLS, no HTTP/3. The value of http.ServerContextKey is an
// *http.Server that stands for this one; calling its methods has no effect on it.
package httpd
