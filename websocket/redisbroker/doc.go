// Package redisbroker joins the hubs of package websocket over a Redis server, with
// its PUBLISH and SUBSCRIBE.
//
// # Usage
//
//	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
//	hub := &websocket.Hub{Broker: &redisbroker.Broker{Client: client}}
//	go hub.Run(ctx)
//
// # Cancellation
//
// All work is done while Hub.Run runs, and ends with it. A server that does not answer
// delays that: with ContextTimeoutEnabled by 3 s at most, and not at all where Run's
// context has a deadline; without it by as long as the client's timeouts and retries
// allow. The client is the caller's.
//
// # Limitations
//
// Redis forgets what nobody is there to receive: while a hub is not connected, it
// loses what others publish. The hub counts that (HubStats.Lost) as soon as the next
// message arrives. What this side publishes while the server is away waits, and is
// refused beyond QueueBytes. Each hub gets the messages of all topics.
package redisbroker
