package websocket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Protocol is a sub-protocol of a [Registry], found by path and name.
type Protocol struct {
	// Path is the path that it is found at, compared without regard to case; ""
	// means every path, and wants a Name then.
	Path string
	// Name is what a client asks for in Sec-WebSocket-Protocol; "" is for clients that
	// ask for none.
	Name string
	// Handler makes the Handler of a new connection, in event style: nothing is
	// shared between two connections unless it says so. An error refuses the
	// connection, as that of AcceptOptions.Check does.
	Handler func(r *http.Request) (Handler, error)
	// Serve runs a new connection, in blocking style, where Handler is nil. ctx is that
	// of the request, and the connection is closed when Serve returns.
	Serve func(ctx context.Context, c *Conn)
}

// Registry is an http.Handler that finds the sub-protocol of a request by its path
// and the names that the client offers, in the client's order. The zero value has
// none. Methods may be called concurrently, also while it serves.
type Registry struct {
	// Options are those of all connections; Handler and Subprotocols in it have no
	// meaning. It must not be changed once the Registry serves.
	Options AcceptOptions

	mu  sync.RWMutex
	all []*Protocol // guarded by mu
}

// ErrRegistered says that a Registry has a sub-protocol of that path and name.
var ErrRegistered = errors.New("websocket: registry: a sub-protocol of that path and name is there already")

// Add adds a sub-protocol.
func (g *Registry) Add(p Protocol) error { return g.add(p, false) }

// Replace adds a sub-protocol in place of the one with that path and name, if there
// is one. Its connections go on.
func (g *Registry) Replace(p Protocol) error { return g.add(p, true) }

func (g *Registry) add(p Protocol, replace bool) error {
	switch {
	case p.Name != "" && !isToken(p.Name):
		return fmt.Errorf("websocket: registry: the name %q is not a token", p.Name)
	case p.Name == "" && p.Path == "":
		return errors.New("websocket: registry: a sub-protocol needs a path or a name")
	case (p.Handler == nil) == (p.Serve == nil):
		return errors.New("websocket: registry: a sub-protocol needs either Handler or Serve")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := g.index(p.Path, p.Name); i >= 0 {
		if !replace {
			return ErrRegistered
		}
		g.all[i] = &p
		return nil
	}
	g.all = append(g.all, &p)
	return nil
}

// Remove takes a sub-protocol out, and reports whether it was there. Its
// connections go on.
func (g *Registry) Remove(path, name string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := g.index(path, name)
	if i >= 0 {
		g.all = slices.Delete(g.all, i, i+1)
	}
	return i >= 0
}

// Len is the number of sub-protocols.
func (g *Registry) Len() int {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return len(g.all)
}

func (g *Registry) index(path, name string) int {
	return slices.IndexFunc(g.all, func(p *Protocol) bool { return strings.EqualFold(p.Path, path) && p.Name == name })
}

// find looks for the sub-protocol of a request; nil with the refusal when there is
// none.
func (g *Registry) find(path string, names []string) (*Protocol, *RefusedError) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	known := false
	for _, p := range g.all {
		here := strings.EqualFold(p.Path, path)
		known = known || here
		if len(names) == 0 && here && p.Name == "" {
			return p, nil
		}
	}
	for _, name := range names {
		for _, p := range g.all {
			if p.Name == name && (p.Path == "" || strings.EqualFold(p.Path, path)) {
				return p, nil
			}
		}
	}
	if !known && len(names) == 0 {
		return nil, Refuse(http.StatusNotFound, "there is no WebSocket here")
	}
	return nil, Refuse(http.StatusBadRequest, "none of the sub-protocols that are offered is spoken here")
}

// ServeHTTP upgrades a request to the sub-protocol that it asks for.
func (g *Registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if refusal := checkRequest(r); refusal != nil {
		refuse(w, refusal)
		return
	}
	p, refusal := g.find(r.URL.Path, protocolNames(r.Header))
	if refusal != nil {
		refuse(w, refusal)
		return
	}
	var sub *string
	if p.Name != "" {
		sub = &p.Name
	}
	c, err := accept(w, r, &g.Options, p, sub)
	if err != nil || p.Handler != nil {
		return // answered, or the Handler's
	}
	defer c.CloseNow()
	p.Serve(r.Context(), c)
}
