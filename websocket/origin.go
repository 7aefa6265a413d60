package websocket

import (
	"fmt"
	"log/slog"
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
	if pattern == "*" || pattern == origin {
		return true
	}
	target := origin
	if !strings.Contains(pattern, "://") && pattern != "null" {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" {
			return false
		}
		host := u.Hostname()
		if pattern == host || pattern == "["+host+"]" {
			return true // an IPv6 address, or any other
		}
		target = u.Host
		if !strings.Contains(pattern, ":") {
			target = host
		}
	}
	ok, err := path.Match(literalIPv6(pattern), target)
	return ok && err == nil
}

// literalIPv6 has the brackets of an IPv6 address match themselves: those of a class have
// no colon between them.
func literalIPv6(pattern string) string {
	i := strings.IndexByte(pattern, '[')
	n := strings.IndexByte(pattern[i+1:], ']')
	if i < 0 || n < 0 || !strings.Contains(pattern[i+1:i+1+n], ":") {
		return pattern
	}
	return pattern[:i] + `\[` + pattern[i+1:i+1+n] + `\]` + pattern[i+1+n+1:]
}

// reportOrigins logs the patterns that match nothing.
func (o *AcceptOptions) reportOrigins(log *slog.Logger) {
	for _, pattern := range o.Origins {
		if _, err := path.Match(literalIPv6(strings.ToLower(pattern)), ""); err != nil {
			log.Error("websocket: an origin is not a pattern, and matches none", "proto", "websocket", "op", "accept", "err", fmt.Errorf("%w: %q", err, pattern))
		}
	}
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
