package tftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Mount puts what lies behind a URL into the tree: a request for Prefix + NAME
// is answered with what URL + NAME gives.
type Mount struct {
	// Prefix is the beginning of the names, such as "images/". It ends with "/"
	// or names one file. Empty: every name that the tree does not have.
	Prefix string
	// URL is where they are, such as "https://boot.example/images/". A password in
	// it is kept out of records and logs.
	URL string
}

// target is the URL for a name, if the mount has it.
func (m *Mount) target(name string) (string, bool) {
	prefix := strings.TrimPrefix(m.Prefix, "/")
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok || rest != "" && prefix != "" && !strings.HasSuffix(prefix, "/") {
		return "", false
	}
	return m.URL + (&url.URL{Path: rest}).EscapedPath(), true
}

var errNoURL = errors.New("not a URL")

// redacted is a URL as records, logs and errors have it: with another password than
// its own.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return errNoURL.Error()
	}
	return u.Redacted()
}

// Fetcher gets what a URL names. The server calls it on goroutines where it may
// block, and for one URL once at a time.
type Fetcher interface {
	// Fetch opens url. held is the Version that the server has from an earlier
	// call, or "". Errors that are fs.ErrNotExist or fs.ErrPermission become
	// these for the client; for an *Error the client is told just that.
	Fetch(ctx context.Context, url, held string) (*Fetched, error)
}

// Fetched is what a Fetcher found.
type Fetched struct {
	// Body is the content; the server closes it. It is nil when NotModified.
	Body io.ReadCloser
	// Size is how many bytes Body has; -1: not known.
	Size int64
	// Version tells this content from others of the same URL; "" when there is
	// nothing that does.
	Version string
	// NotModified says that the version held is the current one.
	NotModified bool
}

// HTTPFetcher is a Fetcher over HTTP. The zero value is ready. Its methods may
// be called concurrently.
type HTTPFetcher struct {
	// Client makes the requests. nil: one that gives an origin 10 seconds to
	// connect, and takes proxies from the environment.
	Client *http.Client
}

var defaultHTTPClient = &http.Client{Transport: &http.Transport{
	Proxy:               http.ProxyFromEnvironment,
	DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	TLSHandshakeTimeout: 10 * time.Second,
	IdleConnTimeout:     30 * time.Second,
	DisableCompression:  true, // the size has to be that of the file
	ForceAttemptHTTP2:   true,
}}

// Fetch makes a GET request, conditional when a version is held.
func (h *HTTPFetcher) Fetch(ctx context.Context, url, held string) (*Fetched, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, errNoURL // err has the URL, which may have a password
	}
	// RFC 9110 13.1: the version is the validator, behind a letter for its kind.
	if tag, ok := strings.CutPrefix(held, "E"); ok {
		req.Header.Set("If-None-Match", tag)
	} else if date, ok := strings.CutPrefix(held, "M"); ok {
		req.Header.Set("If-Modified-Since", date)
	}
	client := h.Client
	if client == nil {
		client = defaultHTTPClient
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	switch {
	case res.StatusCode == http.StatusOK:
		return &Fetched{Body: res.Body, Size: res.ContentLength, Version: version(res.Header)}, nil
	case res.StatusCode == http.StatusNotModified && held != "":
		res.Body.Close()
		return &Fetched{NotModified: true, Version: held}, nil
	}
	res.Body.Close()
	return nil, statusError(res.StatusCode)
}

func version(h http.Header) string {
	if tag := h.Get("ETag"); tag != "" {
		return "E" + tag
	}
	if date := h.Get("Last-Modified"); date != "" {
		return "M" + date
	}
	return ""
}

func statusError(status int) error {
	switch status {
	case http.StatusNotFound, http.StatusGone:
		return fs.ErrNotExist
	case http.StatusUnauthorized, http.StatusForbidden:
		return fs.ErrPermission
	}
	return &Error{CodeUndefined, fmt.Sprintf("origin answered %d %s", status, http.StatusText(status))}
}
