package tftp

import (
	"context"
	"io/fs"
	"net/netip"
	"strings"
	"time"
)

// Request is what a client asks for.
type Request struct {
	Write  bool           // it sends the file
	Name   string         // of the file, as it was sent
	Path   string         // the name in the tree that it means: slashes, no leading one
	ASCII  bool           // netascii, not octet
	Client netip.AddrPort // who asks
	Local  netip.Addr     // the address that was asked, where it is known
	Size   int64          // of the file that is sent, in bytes; -1: not announced
}

// opened is what comes of looking for a file.
type opened struct {
	file   *file  // to read
	upload Upload // to write
	path   string // for the record
	caps   caps
	mac    string
	quirk  string
	err    error
}

// look finds the file of a request. It may block, for as long as an origin
// does: it runs on a goroutine.
func (s *Server) look(ctx context.Context, sh *shared, r Request) (o opened) {
	o.caps = s.caps()
	if len(s.Quirks) > 0 {
		o.mac = s.macOf(sh, r.Client.Addr())
		o.quirk = applyQuirks(s.Quirks, r.Client.Addr(), o.mac, &o.caps)
	}
	r.Path, o.err = cleanName(r.Name, s.ShowHidden)
	if o.err == nil && s.Allow != nil {
		o.err = s.Allow(ctx, &r)
	}
	o.path = r.Path
	switch {
	case o.err != nil:
	case r.Write:
		o.upload, o.err = s.startUpload(ctx, sh, &r)
		o.path = r.Path
	default:
		o.file, o.path, o.err = s.openToRead(ctx, sh, r.Path)
	}
	return o
}

func (s *Server) macOf(sh *shared, client netip.Addr) string {
	switch {
	case !wantMAC(s.Quirks):
		return ""
	case s.LookupMAC != nil:
		return strings.ToLower(s.LookupMAC(client))
	}
	return sh.neighbours.lookup(client)
}

// openToRead looks in mounts that have a prefix, in the tree, in those that
// have none.
func (s *Server) openToRead(ctx context.Context, sh *shared, name string) (*file, string, error) {
	for i := range s.Mounts {
		if url, ok := s.Mounts[i].target(name); ok && s.Mounts[i].Prefix != "" {
			return sh.openRemote(ctx, url)
		}
	}
	err := error(fs.ErrNotExist)
	if sh.fsys != nil {
		if s.CaseInsensitive {
			name = sh.folder.find(name, time.Now())
		}
		var o origin
		var id identity
		if o, id, err = openFile(sh.fsys, name); err == nil {
			return sh.cache.open("file:"+name, id, o), name, nil
		}
	}
	if notThere(err) {
		for i := range s.Mounts {
			if url, ok := s.Mounts[i].target(name); ok && s.Mounts[i].Prefix == "" {
				return sh.openRemote(ctx, url)
			}
		}
	}
	return nil, name, err
}

// openRemote looks behind a mount. Where URLs differ in their passwords only, the tag
// of each copy tells their contents from each other.
func (sh *shared) openRemote(ctx context.Context, url string) (*file, string, error) {
	name := redacted(url)
	o, id, err := sh.remotes.open(ctx, url)
	if err != nil {
		return nil, name, err
	}
	return sh.cache.open("url:"+name, id, o), name, nil
}
