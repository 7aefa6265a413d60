// Package outbox is what the brokers between machines have in common: envelopes that
// wait to be published, so that no hub waits for the network.
package outbox
