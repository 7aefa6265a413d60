package httpd_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/burrownet/burrow/httpd"
)

// forgeRoutes returns some 200 patterns shaped like the API of a code forge.
func forgeRoutes() []string {
	var patterns []string
	add := func(path string, methods ...string) {
		for _, m := range methods {
			patterns = append(patterns, m+" "+path)
		}
	}
	repo := "/repos/{owner}/{repo}"
	for _, thing := range []string{
		"issues", "pulls", "releases", "hooks", "keys", "labels", "milestones", "comments", "deployments",
		"forks", "branches", "commits", "contents", "downloads", "assets", "collaborators", "tags", "runs",
	} {
		add(repo+"/"+thing, "GET", "POST")
		add(repo+"/"+thing+"/{id}", "GET", "PATCH", "DELETE")
		add(repo+"/"+thing+"/{id}/events", "GET")
	}
	for _, thing := range []string{"gists", "orgs", "teams", "users", "events", "search", "emojis", "rate_limit", "feeds", "meta"} {
		add("/"+thing, "GET", "POST")
		add("/"+thing+"/{id}", "GET", "PATCH", "DELETE")
		add("/"+thing+"/{id}/members/{name}", "GET", "PUT", "DELETE")
	}
	for _, thing := range []string{"starred", "following", "followers", "emails", "subscriptions"} {
		add("/user/"+thing, "GET")
		add("/user/"+thing+"/{id}", "PUT")
	}
	return patterns
}

// discard is a ResponseWriter that costs nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkRouter measures Router beside http.ServeMux. Each request is a fresh
// copy, because what SetPathValue allocates stays with the request.
func BenchmarkRouter(b *testing.B) {
	forge := forgeRoutes()
	deep := "/{a}/b/{c}/d/e/f/{g}/h"
	for _, c := range []struct {
		name     string
		patterns []string
		target   string
	}{
		{"static", []string{"GET /hello/world"}, "/hello/world"},
		{"param", []string{"GET /users/{id}"}, "/users/1234"},
		{"deep", []string{"GET " + deep}, "/one/b/three/d/e/f/seven/h"},
		{"catchall", []string{"/{$}", "/"}, "/css/site/main.css"},
		{fmt.Sprintf("forge%d-static", len(forge)), forge, "/user/starred"},
		{fmt.Sprintf("forge%d-params", len(forge)), forge, "/repos/burrownet/burrow/pulls/1234/events"},
		{fmt.Sprintf("forge%d-none", len(forge)), forge, "/repos/burrownet/burrow/nothing/1234"},
	} {
		for _, rt := range []registrar{&httpd.Router{}, http.NewServeMux()} {
			for _, pattern := range c.patterns {
				rt.Handle(pattern, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			}
			b.Run(fmt.Sprintf("%s/%T", c.name, rt), func(b *testing.B) {
				fresh := httptest.NewRequest("GET", c.target, nil)
				r := new(http.Request)
				w := discard{http.Header{}}
				b.ReportAllocs()
				for b.Loop() {
					*r = *fresh
					rt.ServeHTTP(w, r)
				}
			})
		}
	}
}

func TestRouterAllocates(t *testing.T) {
	var rt httpd.Router
	for _, pattern := range []string{"/", "/static/page", "h.example/{id}", "GET /dir/"} {
		rt.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
	}
	w := httptest.NewRecorder()
	for _, target := range []string{"/static/page", "/static/other", "/dir/a/b"} {
		r := httptest.NewRequest("GET", target, nil)
		if n := testing.AllocsPerRun(100, func() { rt.ServeHTTP(w, r) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", target, n)
		}
	}
}
