package sock

import "errors"

// ErrProxyHeaderTooLarge says that a PROXY protocol header announces more than
// [MaxProxyHeaderBytes]. The connection must be closed.
var ErrProxyHeaderTooLarge = errors.New("sock: PROXY protocol header too large")

// ProtocolError says that the peer broke a rule of a protocol. The connection
// it came from must be closed.
type ProtocolError struct {
	Rule   string // where the rule stands, such as "PROXY protocol 2.2"
	Reason string // how it was broken
}

// Error returns the reason and the rule.
func (e *ProtocolError) Error() string {
	return "sock: " + e.Reason + " (" + e.Rule + ")"
}
