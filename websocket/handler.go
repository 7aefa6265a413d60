package websocket

// Handler gets what happens on a connection in event style. Its callbacks are
// called one at a time, in the order of events; they run on the connection's event
// loop and may block: the loop then goes on without them (see package engine), and
// so do those of connections with the same options, which are run on goroutines
// until they have been quick again for a while. A callback that panics is logged,
// and ends the connection with StatusInternalError.
//
// A callback may use all methods of its Conn. Ping and Read wait for the peer: what
// arrives meanwhile is kept, and goes to the callbacks after this one has returned.
type Handler interface {
	// Open is called first, by Accept or Dial. It must not wait for the peer; a
	// goroutine that it starts may.
	Open(c *Conn)
	// Message is called for each message. data is valid until Message returns, or
	// writes it: it may be passed to Write as it is.
	Message(c *Conn, t MessageType, data []byte)
	// Close is the last call: err says how the connection has ended, as Read would.
	Close(c *Conn, err error)
}

// Funcs is a Handler made of functions; those that are nil do nothing.
type Funcs struct {
	OnOpen    func(c *Conn)
	OnMessage func(c *Conn, t MessageType, data []byte)
	OnClose   func(c *Conn, err error)
}

// Open calls OnOpen.
func (f *Funcs) Open(c *Conn) {
	if f.OnOpen != nil {
		f.OnOpen(c)
	}
}

// Message calls OnMessage.
func (f *Funcs) Message(c *Conn, t MessageType, data []byte) {
	if f.OnMessage != nil {
		f.OnMessage(c, t, data)
	}
}

// Close calls OnClose.
func (f *Funcs) Close(c *Conn, err error) {
	if f.OnClose != nil {
		f.OnClose(c, err)
	}
}
