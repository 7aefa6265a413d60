// Package wsframe reads and writes the frames of the WebSocket protocol
// (RFC 6455 section 5, with the RSV1 bit of RFC 7692) for servers and clients
// alike. It is pure: it knows no socket, goroutine or clock.
//
// # Usage
//
// A Reader is given what has arrived and answers with the next frame, or the
// part of it that is there:
//
//	f, n, err := r.Next(b) // n == 0 and no error: more bytes are needed
//
// f.Payload borrows b, in which it was unmasked. A payload of a data frame comes
// in the pieces in which it arrives; a control frame comes whole. Headers are
// written with AppendHeader, payloads masked with Mask.
//
// [UTF8] validates the text of a message piece by piece, [ParseClose] and
// [AppendClose] read and write what a close frame carries.
//
// # Strictness
//
// A frame that breaks a rule of section 5 is a *[ProtocolError], with the status
// code that the connection is to be failed with. The rule is checked when its
// bytes are complete, however the network has cut them.
//
// # Limitations
//
// Limits on the size of frames and messages are the caller's: [Frame.Length] is
// known with the first piece. Extensions that use RSV2, RSV3 or reserved opcodes
// are refused.
package wsframe
