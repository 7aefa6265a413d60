package httpd_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/burrownet/burrow/engine"
	"github.com/burrownet/burrow/httpd"
)

// TestProtocolError sends bodies that break rules: their Read says which.
func TestProtocolError(t *testing.T) {
	t.Parallel()
	got := make(chan error, 1)
	s := stressServe(t, engine.DriverAuto, 0, &httpd.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		got <- err
	})})
	for body, rule := range map[string]string{
		"x\r\n":                          "RFC 9112 7.1",
		"2\r\nabc\r\n":                   "RFC 9112 7.1",
		"fffffffffffffffff\r\n":          "RFC 9112 7.1",
		"1;" + strings.Repeat("e", 5000): "",
	} {
		nc, err := stressDial(s.addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(nc, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%s", body)
		err = <-got
		pe, ok := errors.AsType[*httpd.ProtocolError](err)
		if !ok || !strings.HasPrefix(pe.Rule, rule) || pe.Reason == "" || !strings.Contains(err.Error(), pe.Reason) {
			t.Errorf("%.20q: Read = %v, want a ProtocolError for %q", body, err, rule)
		}
		if status, _, err := stressAnswer(bufio.NewReader(nc)); err != nil || status != 200 {
			t.Errorf("%.20q: status %d, %v", body, status, err)
		}
		nc.Close()
	}
}
