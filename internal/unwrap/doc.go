// Package unwrap finds what an http.ResponseWriter can do behind what wraps it.
package unwrap
