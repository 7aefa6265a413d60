package peers

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// content is what /file serves and what the uploads send: 1 MiB in which no
// two blocks are alike.
var content = func() []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < 1<<20; i++ {
		fmt.Fprintf(&b, "%x\n", sha256.Sum256([]byte{byte(i), byte(i >> 8), byte(i >> 16)}))
	}
	return b.Bytes()[:1<<20]
}()

// received is what /upload says about a body.
func received(method string, body []byte) string {
	return fmt.Sprintf("%s %d %x\n", method, len(body), sha256.Sum256(body))
}

// handler tells its peers what it received.
func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "Hello, World!")
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"content"`)
		http.ServeContent(w, r, "file.txt", time.Time{}, bytes.NewReader(content))
	})
	mux.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		io.WriteString(w, received(r.Method, body))
	})
	mux.HandleFunc("/refuse", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not here", http.StatusForbidden)
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, _ *http.Request) {
		for i := range 8 {
			fmt.Fprintln(w, i)
			http.NewResponseController(w).Flush()
		}
	})
	mux.HandleFunc("/peer", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.RemoteAddr)
	})
	mux.HandleFunc("/tls", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "resumed:", r.TLS != nil && r.TLS.DidResume)
	})
	return mux
}

// streamed is the body of /stream.
var streamed = strings.Join([]string{"0", "1", "2", "3", "4", "5", "6", "7", ""}, "\n")
