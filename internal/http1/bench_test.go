package http1

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

const (
	smallRequest = "GET /hello HTTP/1.1\r\nHost: localhost:8080\r\n\r\n"

	// browserRequest has the twelve fields that a browser sends.
	browserRequest = "GET /static/app/main.js?v=20260101 HTTP/1.1\r\n" +
		"Host: www.example.com\r\n" +
		"Connection: keep-alive\r\n" +
		"sec-ch-ua: \"Chromium\";v=\"141\", \"Not?A_Brand\";v=\"8\"\r\n" +
		"sec-ch-ua-mobile: ?0\r\n" +
		"sec-ch-ua-platform: \"Linux\"\r\n" +
		"Upgrade-Insecure-Requests: 1\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
		"Sec-Fetch-Mode: navigate\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
		"Accept-Language: en-US,en;q=0.9,de;q=0.8\r\n" +
		"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n"

	smallResponse = "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 10:00:00 GMT\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\n"
)

// workload is one thing a connection does for every message; it panics when it
// goes wrong, so that no benchmark measures a fault.
type workload struct {
	name  string
	bytes int
	run   func()
}

func workloads() []workload {
	return []workload{
		parseRequest("request of 1 field", smallRequest),
		parseRequest("request of 12 fields", browserRequest),
		parseResponse("response of 3 fields", smallResponse),
		readChunks(),
		appendHead(),
		appendChunks(),
		canonicalNames(),
	}
}

func parseRequest(name, head string) workload {
	var r Request
	b := []byte(head)
	return workload{name, len(b), func() {
		if n, err := r.Parse(b, 0); n != len(b) || err != nil {
			panic(fmt.Sprint(n, err))
		}
	}}
}

func parseResponse(name, head string) workload {
	var r Response
	b := []byte(head)
	return workload{name, len(b), func() {
		if n, err := r.Parse(b, 0); n != len(b) || err != nil {
			panic(fmt.Sprint(n, err))
		}
	}}
}

func readChunks() workload {
	data := []byte(strings.Repeat("x", 1000))
	var b []byte
	for range 16 {
		b = AppendChunk(b, data)
	}
	b = append(AppendLastChunk(b), '\r', '\n')
	return workload{"body of 16 chunks", len(b), func() {
		d := ChunkedBody(Limits{})
		got := 0
		for rest := b; ; {
			data, n, err := d.Next(rest)
			got, rest = got+len(data), rest[n:]
			if err == io.EOF && got == 16000 && len(rest) == 0 {
				return
			}
			if n == 0 || err != nil {
				panic(fmt.Sprint(got, n, err))
			}
		}
	}}
}

func appendHead() workload {
	buf := make([]byte, 0, 1024)
	run := func() {
		buf = AppendStatusLine(buf[:0], 1, 200, "")
		buf = AppendField(buf, "Date", "Mon, 23 Nov 2026 10:00:00 GMT")
		buf = AppendField(buf, "Content-Type", "text/plain; charset=utf-8")
		buf = append(AppendLength(buf, 5), '\r', '\n')
		if len(buf) != len(smallResponse) {
			panic(string(buf))
		}
	}
	return workload{"write a response head", len(smallResponse), run}
}

func appendChunks() workload {
	buf, data := make([]byte, 0, 2048), []byte(strings.Repeat("x", 1000))
	return workload{"write a chunk", 1000, func() {
		buf = AppendLastChunk(AppendChunk(buf[:0], data))
		if len(buf) != 1010 {
			panic(len(buf))
		}
	}}
}

func canonicalNames() workload {
	var r Request
	if _, err := r.Parse([]byte(browserRequest), 0); err != nil {
		panic(err)
	}
	return workload{"canonical names of 12 fields", 0, func() {
		for i := range r.Len() {
			if _, ok := CanonicalName(r.Name(i)); !ok {
				panic(string(r.Name(i)))
			}
		}
	}}
}

func Benchmark(b *testing.B) {
	for _, w := range workloads() {
		b.Run(w.name, func(b *testing.B) {
			b.SetBytes(int64(w.bytes))
			b.ReportAllocs()
			for b.Loop() {
				w.run()
			}
		})
	}
}

// Not parallel: AllocsPerRun counts those of the whole process.
func TestNoAllocations(t *testing.T) {
	for _, w := range workloads() {
		if got := testing.AllocsPerRun(100, w.run); got != 0 {
			t.Errorf("%s: %v allocations, want none", w.name, got)
		}
	}
}
