package radix

import (
	"strings"
	"testing"
)

func TestTemplate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pattern, path, template, target, query string }{
		{"/static", "/static", "/some/static", "/some/static", ""},
		{"/u/{id}", "/u/12", "/user?id={id}", "/user", "id=12"},
		{"/u/{id}/pic/{pic}", "/u/1/pic/2", "/p/{pic}/of/{id}?x={id}&y={pic}", "/p/2/of/1", "x=1&y=2"},
		{"/f/{p...}", "/f/a/b%20c", "/g/{p}", "/g/a/b%20c", ""},
		{"/f/{p...}", "/f/", "/g/{p}", "/g/", ""},
		{"/f/{p...}", "/f/a/b%20c", "/g?p={p}", "/g", "p=a%2Fb%20c"},
		{"/u/{id}", "/u/1&admin=1", "/user?id={id}", "/user", "id=1%26admin%3D1"},
		{"/u/{id}", "/u/a%2F..", "/x/{id}/y", "/x/a%2F../y", ""},
		{"/u/{id}", "/u/1", "https://h.example/{id}", "https://h.example/1", ""},
		{"/u/{id}", "/u/1", "http://[::1]:80/{id}{id}", "http://[::1]:80/11", ""},
	} {
		tree := plant([]string{c.pattern})
		var ps Params
		r := tree.Lookup("", "GET", c.path, &ps)
		if r == nil {
			t.Errorf("%q does not match %q", c.pattern, c.path)
			continue
		}
		tmpl, err := ParseTemplate(c.template, r.Pattern)
		if err != nil {
			t.Error(err)
			continue
		}
		if target, query := tmpl.Expand(c.path, &ps); target != c.target || query != c.query {
			t.Errorf("expand %q for %q: got %q %q, want %q %q", c.template, c.path, target, query, c.target, c.query)
		}
	}
}

func TestTemplateErrors(t *testing.T) {
	t.Parallel()
	p, err := Parse("/{id}/{path...}")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ template, want string }{
		{"", "must begin"},
		{"?x=1", "must begin"},
		{"x", "must begin"},
		{"//evil.example/", "must begin"},
		{"/{name}", `no wildcard named "name"`},
		{"/{}", `no wildcard named ""`},
		{"/{path...}", "no wildcard named"},
		{"/{id", "without '}'"},
		{"/x?{id", "without '}'"},
		{"/x#y", "'#' must be percent-encoded"},
		{"/x y", "must be percent-encoded"},
		{"/x%2{id}", "malformed"},
		{"https://{id}.example/", "authority"},
		{"https://h.example", "authority"},
		{"https://h.example{path}", "authority"},
		{"https:///x", "authority"},
	} {
		if _, err := ParseTemplate(c.template, p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("parse template %q: got error %v, want one with %q", c.template, err, c.want)
		}
	}
}
