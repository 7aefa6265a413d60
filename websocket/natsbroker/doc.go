// Package natsbroker joins the hubs of package websocket over NATS (core, without
// JetStream).
//
// # Usage
//
//	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.NoEcho())
//	...
//	hub := &websocket.Hub{Broker: &natsbroker.Broker{Conn: nc}}
//	go hub.Run(ctx)
//
// # Cancellation
//
// All work is done while Hub.Run runs, and ends with it. A server that does not read
// delays that, by the connection's FlusherTimeout at most. The connection is the
// caller's: how it connects again is up to its options.
//
// # Limitations
//
// NATS forgets what nobody is there to receive: while a hub is not connected, it
// loses what others publish. The hub counts that (HubStats.Lost) as soon as the next
// message arrives. What this side publishes while the server is away waits, in the
// connection's ReconnectBufSize and then here, and is refused beyond PublishBytes. Each
// hub gets the messages of all topics. A message that is larger than the server's
// max_payload is dropped, and logged.
package natsbroker
