// Package wspeer is what the WebSocket servers of the comparison have in common:
// the command line, the listener, and who is connected.
package wspeer
