package main

import (
	"strconv"
	"strings"
)

// browserHeaders is what a browser sends beside Host: with it, 12 headers.
var browserHeaders = []string{
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
	"Accept-Encoding: gzip, deflate, br, zstd",
	"Accept-Language: en-GB,en;q=0.9,fr;q=0.8,de;q=0.7",
	"Cache-Control: no-cache",
	"Cookie: session=6f1e2c0a9b5d4c37; theme=dark; consent=1",
	"Referer: https://www.example.org/start",
	"Sec-Fetch-Dest: document",
	"Sec-Fetch-Mode: navigate",
	"Sec-Fetch-Site: same-origin",
	"Upgrade-Insecure-Requests: 1",
}

// request returns one GET of path with that many headers: 1 (Host) to 12.
func request(host, path string, headers int, extra ...string) []byte {
	var b strings.Builder
	b.WriteString("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n")
	for _, line := range browserHeaders[:min(max(headers-1, 0), len(browserHeaders))] {
		b.WriteString(line + "\r\n")
	}
	for _, line := range extra {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n")
	return []byte(b.String())
}

// upload returns one POST of n bytes.
func upload(host, path string, n int) []byte {
	head := "POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/octet-stream\r\nContent-Length: " + strconv.Itoa(n) + "\r\n\r\n"
	return append([]byte(head), make([]byte, n)...)
}
