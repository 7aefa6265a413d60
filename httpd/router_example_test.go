package httpd_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/burrownet/burrow/httpd"
)

func ExampleRouter() {
	var rt httpd.Router
	rt.HandleFunc("GET /users/{id:int}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "user number", r.PathValue("id"))
	})
	rt.HandleFunc("GET /users/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "user named", r.PathValue("name"))
	})
	rt.Rewrite("/people/{name}", "/users/{name}")

	for _, target := range []string{"/users/17", "/people/ada"} {
		w := httptest.NewRecorder()
		rt.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		fmt.Print(w.Body)
	}
	// Output:
	// user number 17
	// user named ada
}

func ExampleRouter_Routes() {
	var rt httpd.Router
	rt.Handle("/old", http.NotFoundHandler())
	rt.Rewrite("/new/{id}", "/old?id={id}")
	for route := range rt.Routes() {
		fmt.Printf("%s -> %q\n", route.Pattern, route.Target)
	}
	// Output:
	// /old -> ""
	// /new/{id} -> "/old?id={id}"
}
