package unwrap

import "net/http"

// Find returns w, or the first of those that it wraps, that is a T. It follows
// Unwrap as http.ResponseController does; false where there is none.
func Find[T any](w http.ResponseWriter) (found T, ok bool) {
	for {
		if found, ok = w.(T); ok {
			return found, true
		}
		outer, wraps := w.(interface{ Unwrap() http.ResponseWriter })
		if !wraps {
			return found, false
		}
		w = outer.Unwrap()
	}
}
