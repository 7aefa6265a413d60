// Package mmsg moves IPv4 datagrams in batches, without blocking and without
// allocating: what the load and the relay of the TFTP comparison spend beside the
// kernel must be next to nothing.
package mmsg
