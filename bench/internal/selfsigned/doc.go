// Package selfsigned makes the throw-away certificate that the compared
// servers present, so that all of them sign with the same kind of key.
package selfsigned
