package unwrap

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type named struct {
	wrapper
	name string
}

func (n named) Name() string { return n.name }

// TestFind: the outermost that can do it is found, and nothing where none can.
func TestFind(t *testing.T) {
	t.Parallel()
	plain := httptest.NewRecorder()
	type namer interface{ Name() string }
	for _, c := range []struct {
		what string
		w    http.ResponseWriter
		want string
	}{
		{"none", plain, ""},
		{"none behind two", wrapper{wrapper{plain}}, ""},
		{"itself", named{wrapper{plain}, "a"}, "a"},
		{"behind two", wrapper{wrapper{named{wrapper{plain}, "b"}}}, "b"},
		{"the outer one", named{wrapper{named{wrapper{plain}, "b"}}, "a"}, "a"},
		{"behind one that wraps nothing", wrapper{nil}, ""},
	} {
		n, ok := Find[namer](c.w)
		if ok != (c.want != "") || ok && n.Name() != c.want {
			t.Errorf("%s: got %v %v, want %q", c.what, n, ok, c.want)
		}
	}
}
