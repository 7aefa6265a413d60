package sock

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
)

func TestFirstRecordIsTLS(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want bool
	}{
		{"", false},
		{"\x16", true},
		{"\x16\x03", true},
		{"\x16\x03\x01\x02\x00\x01", true},
		{"\x16\x03\x04\x40\x00\x01", true},
		{"\x16\x03\x01\x40\x01\x01", false}, // longer than a record
		{"\x16\x03\x01\x00\x00\x01", false},
		{"\x16\x03\x05", false},
		{"\x16\x02", false},
		{"\x16\x03\x01\x02\x00\x02", false}, // a ServerHello
		{"\x17\x03\x03", false},             // not a handshake
		{"\x15\x03\x03", false},
		{"\x80\x2e\x01", false}, // SSL 2
		{"GET / HTTP/1.1\r\n", false},
		{"PRI * HTTP/2.0", false},
		{clientLine, false},
		{proxyV2Signature, false},
	} {
		if got := FirstRecordIsTLS([]byte(tt.in)); got != tt.want {
			t.Errorf("FirstRecordIsTLS(%q) = %t, want %t", tt.in, got, tt.want)
		}
	}
}

// What a real client sends is TLS after each of its first bytes.
func TestFirstRecordOfClient(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		tls.Client(client, &tls.Config{ServerName: "localhost"}).Handshake()
	}()
	b := make([]byte, 64)
	if _, err := io.ReadFull(server, b); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= len(b); n++ {
		if !FirstRecordIsTLS(b[:n]) {
			t.Errorf("the first %d bytes, %x, are not TLS", n, b[:n])
		}
	}
	server.Close()
	<-done
	client.Close()
}
