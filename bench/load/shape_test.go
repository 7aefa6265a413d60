package main

import (
	"strings"
	"testing"
)

const answer = "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 10:40:47 GMT\r\ncontent-length: 5\r\n\r\nhello"

func TestShapeAtEverySplit(t *testing.T) {
	t.Parallel()
	for cut := range len(answer) {
		var s shape
		if n, err := s.take([]byte(answer[:cut])); n != 0 || err != nil {
			t.Fatalf("first %d bytes: %d, %v; want 0, nil", cut, n, err)
		}
		if n, err := s.take([]byte(answer)); n != len(answer) || err != nil {
			t.Fatalf("whole after %d bytes: %d, %v; want %d, nil", cut, n, err, len(answer))
		}
		if n, err := s.take([]byte(answer[:cut])); n != 0 || err != nil {
			t.Fatalf("second answer, %d bytes: %d, %v; want 0, nil", cut, n, err)
		}
	}
}

func TestShapeOfTwo(t *testing.T) {
	t.Parallel()
	var s shape
	later := strings.Replace(answer, ":47", ":48", 1)
	if n, err := s.take([]byte(answer + later)); n != len(answer) || err != nil {
		t.Errorf("first of two: %d, %v; want %d, nil", n, err, len(answer))
	}
	if n, err := s.take([]byte(later)); n != len(answer) || err != nil {
		t.Errorf("second of two: %d, %v; want %d, nil", n, err, len(answer))
	}
}

func TestShapeRefuses(t *testing.T) {
	t.Parallel()
	change := func(old, new string) string { return strings.Replace(answer, old, new, 1) }
	for name, tc := range map[string]struct{ first, second string }{
		"status":         {first: change("200", "404")},
		"no length":      {first: change("content-length", "content-lengths")},
		"bad length":     {first: change(": 5", ": five")},
		"negative":       {first: change(": 5", ": -5")},
		"endless header": {first: "HTTP/1.1 200 OK\r\n" + strings.Repeat("a", maxHead)},
		"later status":   {answer, change("200", "503")},
		"later body":     {answer, change("hello", "world")},
		"later header":   {answer, change("OK\r\n", "OK\r\nX: 1\r\n")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s shape
			n, err := s.take([]byte(tc.first))
			if tc.second != "" {
				if err != nil {
					t.Fatalf("first answer: %v", err)
				}
				n, err = s.take([]byte(tc.second))
			}
			if err == nil {
				t.Errorf("take = %d, nil; want an error", n)
			}
		})
	}
}

func TestRequestHeaders(t *testing.T) {
	t.Parallel()
	for _, headers := range []int{1, 2, 12} {
		req := string(request("h:1", "/x", headers))
		if got := strings.Count(req, "\r\n") - 2; got != headers {
			t.Errorf("request with %d headers has %d", headers, got)
		}
		if !strings.HasPrefix(req, "GET /x HTTP/1.1\r\nHost: h:1\r\n") || !strings.HasSuffix(req, "\r\n\r\n") {
			t.Errorf("request = %q", req)
		}
	}
}
