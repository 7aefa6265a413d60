package tftp

import (
	"context"
	"net"
	"slices"
)

// serving is one Serve under way.
type serving struct {
	ctx   context.Context
	addr  string
	ended chan struct{} // closed when it has no transfers any more
}

// enter notes a Serve.
func (sh *shared) enter(ctx context.Context, addr net.Addr) *serving {
	v := &serving{ctx: ctx, addr: addr.String(), ended: make(chan struct{})}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.serving = append(sh.serving, v)
	return v
}

// part is called when a Serve has no transfers any more. It waits for those that
// drain on the same address: were one of their sockets closed before, the system
// would share the clients out anew, and packets of a transfer on a single port
// reach the wrong one.
func (sh *shared) part(v *serving) {
	close(v.ended)
	sh.mu.Lock()
	others := slices.Clone(sh.serving)
	sh.mu.Unlock()
	for _, o := range others {
		if o.addr == v.addr && o.ctx.Err() != nil {
			<-o.ended
		}
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.serving = slices.DeleteFunc(sh.serving, func(o *serving) bool { return o == v })
}
