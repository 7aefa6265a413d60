package websocket

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// checkOrigin keeps the pages of other sites from using a visitor's cookies and
// network position (RFC 6455 10.2). Who sends no Origin is no browser.
func checkOrigin(r *http.Request, allowed []string) *RefusedError {
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		return nil
	}
	refusal := Refuse(http.StatusForbidden, "pages of this origin may not connect")
	if len(origins) > 1 {
		return refusal
	}
	origin := strings.ToLower(origins[0])
	for _, pattern := range allowed {
		if originMatches(strings.ToLower(pattern), origin) {
			return nil
		}
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" { // "null" is one: that of a sandboxed frame
		return refusal
	}
	if withoutPort(u.Host, u.Scheme) == withoutPort(strings.ToLower(r.Host), u.Scheme) {
		return nil
	}
	return refusal
}

// originMatches matches "https://*.example.com", "*.example.com" (any scheme and
// port), "null" or "*".
func originMatches(pattern, origin string) bool {
	if pattern == "*" {
		return true
	}
	target := origin
	if !strings.Contains(pattern, "://") && pattern != "null" {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" {
			return false
		}
		target = u.Host
		if !strings.Contains(pattern, ":") {
			target = u.Hostname()
		}
	}
	ok, err := path.Match(pattern, target)
	return ok && err == nil
}

// withoutPort takes the port off a host where it is the scheme's own.
func withoutPort(host, scheme string) string {
	switch scheme {
	case "http", "ws":
		return strings.TrimSuffix(host, ":80")
	case "https", "wss":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}
