//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package sock

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// maxUnixPath is the room in sockaddr_un, in bytes, less the terminating zero.
const maxUnixPath = 107

// bindUnix leaves everything to net: there is no mode to set in between.
func bindUnix(ctx context.Context, path string, opts *ListenOptions) (net.Listener, error) {
	if opts.Mode != 0 {
		return nil, fmt.Errorf("option Mode: %w on this system", errors.ErrUnsupported)
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "unix", path)
}

// lockFolder does nothing on systems without locks on folders.
func lockFolder(context.Context, string) (unlock func()) { return func() {} }
