// Package redisbroker joins the hubs of package websocket over a Redis server, with
// its PUBLISH and SUBSCRIBE.
//
// # Usage
//
//	hub := &websocket.Hub{Broker: &redisbroker.Broker{Client: redis.NewClient(...)}}
//	go hub.Run(ctx)
//
// # Cancellation
//
// All work is done while Hub.Run runs, and ends with it. The client is the caller's.
//
// # Limitations
//
// Redis forgets what nobody is there to receive: while a hub is not connected, it
// loses what others publish. The hub counts that (HubStats.Lost) as soon as the next
// message arrives. What this side publishes while the server is away waits, and is
// refused beyond QueueBytes. Each hub gets the messages of all topics.
package redisbroker
