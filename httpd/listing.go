package httpd

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// defaultMaxEntries is what Files.MaxEntries 0 means.
const defaultMaxEntries = 50_000

// entry is a file or folder of a listing; a link is shown as what it points to.
type entry struct {
	name     string
	folder   bool
	size     int64 // bytes; 0 for a folder
	modified time.Time
	rank     int // position when sorted by name, so that the page sorts as we do
}

// href is the reference of the entry relative to its folder's page. "./" keeps
// a colon in the name from being read as a scheme (RFC 3986 4.2).
func (e *entry) href() string {
	ref := "./" + url.PathEscape(e.name)
	if e.folder {
		ref += "/"
	}
	return ref
}

// listing is one folder, ready to be written.
type listing struct {
	path      string // decoded, begins and ends with a slash
	key       string // sorted by: name, size or date
	desc      bool
	entries   []entry
	truncated bool // the folder has more entries than are listed
}

// serveListing answers with the folder's entries, as a page or as JSON.
func (f *Files) serveListing(w http.ResponseWriter, r *http.Request, name string, dir fs.File) {
	entries, truncated, err := f.readEntries(r, name, dir)
	if r.Context().Err() != nil {
		return // the client went away: nobody is left to tell
	}
	if err != nil {
		f.report(w, r, "list", err)
		return
	}
	if match := r.Header.Values("If-Match"); len(match) > 0 && strings.TrimSpace(match[0]) != "*" {
		// RFC 9110 13.1.1: compared strongly, and the tag of a page is a weak one.
		f.fail(w, r, http.StatusPreconditionFailed)
		return
	}
	query := r.URL.Query()
	l := &listing{path: "/", key: "name", desc: query.Get("order") == "desc", entries: entries, truncated: truncated}
	if name != "." {
		l.path = "/" + name + "/"
	}
	if key := query.Get("sort"); key == "size" || key == "date" {
		l.key = key
	}
	l.sort()
	asJSON := wantsJSON(r.Header.Values("Accept"))
	if format := query.Get("format"); format != "" {
		asJSON = format == "json"
	}
	h := w.Header()
	h.Add("Vary", "Accept")
	h.Set("X-Content-Type-Options", "nosniff")
	setNoCache(h)
	tag := l.etag(asJSON)
	h.Set("ETag", tag)
	if tagListed(r.Header.Values("If-None-Match"), tag) {
		// RFC 9110 13.1.2 and 15.4.5.
		w.WriteHeader(http.StatusNotModified)
		return
	}
	write := l.writePage
	if asJSON {
		h.Set("Content-Type", "application/json")
		write = l.writeJSON
	} else {
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", pagePolicy)
	}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	b := bufio.NewWriterSize(w, 32<<10)
	if err := write(b); err == nil {
		_ = b.Flush() // the client went away: nobody is left to tell
	}
}

// readEntries reads a folder. What vanishes meanwhile, points outside the root
// or is neither file nor folder is left out.
func (f *Files) readEntries(r *http.Request, name string, dir fs.File) (entries []entry, truncated bool, err error) {
	reader, ok := dir.(fs.ReadDirFile)
	if !ok {
		return nil, false, fmt.Errorf("httpd: list %q: %w", name, fs.ErrInvalid)
	}
	limit := cmp.Or(f.MaxEntries, defaultMaxEntries)
	for {
		batch, err := reader.ReadDir(1024)
		for _, d := range batch {
			e, ok := f.newEntry(name, d)
			if !ok {
				continue
			}
			if limit > 0 && len(entries) == limit {
				return entries, true, nil
			}
			entries = append(entries, e)
		}
		switch {
		case err == io.EOF:
			return entries, false, nil
		case err != nil:
			return nil, false, fmt.Errorf("httpd: list %q: %w", name, err)
		case r.Context().Err() != nil:
			return nil, false, r.Context().Err()
		}
	}
}

func (f *Files) newEntry(folder string, d fs.DirEntry) (entry, bool) {
	name := d.Name()
	if !f.ShowHidden && strings.HasPrefix(name, ".") {
		return entry{}, false
	}
	info, err := d.Info()
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		info, err = f.stat(path.Join(folder, name))
	}
	if err != nil || !servable(info.Mode()) {
		return entry{}, false
	}
	e := entry{name: name, folder: info.IsDir(), modified: info.ModTime()}
	if !e.folder {
		e.size = info.Size()
	}
	return e, true
}

// sort sorts by name, numbers the entries, and then sorts as asked. Folders
// come first always; as they have no size they stay sorted by name when it is
// sizes that are compared.
func (l *listing) sort() {
	slices.SortFunc(l.entries, func(a, b entry) int {
		return cmp.Or(compareBools(b.folder, a.folder), compareNames(a.name, b.name))
	})
	for i := range l.entries {
		l.entries[i].rank = i
	}
	sign := 1
	if l.desc {
		sign = -1
	}
	if l.key == "name" && !l.desc {
		return
	}
	slices.SortFunc(l.entries, func(a, b entry) int {
		order := compareBools(b.folder, a.folder)
		switch {
		case order != 0:
			return order
		case l.key == "name":
			return sign * cmp.Compare(a.rank, b.rank)
		case l.key == "date":
			order = sign * cmp.Compare(a.modified.Unix(), b.modified.Unix())
		default:
			order = sign * cmp.Compare(a.size, b.size)
		}
		return cmp.Or(order, cmp.Compare(a.rank, b.rank))
	})
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// compareNames orders names as people do: letters without regard to case, runs
// of digits by their value ("part 9" before "part 10").
func compareNames(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		if isDigit(x[0]) && isDigit(y[0]) {
			var m, n string
			m, x = cutNumber(x)
			n, y = cutNumber(y)
			if order := cmp.Or(cmp.Compare(len(m), len(n)), strings.Compare(m, n)); order != 0 {
				return order
			}
			continue
		}
		p, i := utf8.DecodeRuneInString(x)
		q, j := utf8.DecodeRuneInString(y)
		if p, q = unicode.ToLower(p), unicode.ToLower(q); p != q {
			return cmp.Compare(p, q)
		}
		x, y = x[i:], y[j:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(a, b))
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// cutNumber cuts the digits s begins with, without their leading zeros.
func cutNumber(s string) (number, rest string) {
	end := 0
	for end < len(s) && isDigit(s[end]) {
		end++
	}
	return strings.TrimLeft(s[:end], "0"), s[end:]
}

// etag names everything the answer is made of. It is weak: entries are compared
// by size and time, not by what is in them.
func (l *listing) etag(asJSON bool) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %q %s %t %t %t", pageVersion, l.path, l.key, l.desc, l.truncated, asJSON)
	var b []byte
	for i := range l.entries {
		e := &l.entries[i]
		b = append(append(b[:0], e.name...), 0)
		b = strconv.AppendBool(b, e.folder)
		b = strconv.AppendInt(append(b, ' '), e.size, 36)
		b = strconv.AppendInt(append(b, ' '), e.modified.Unix(), 36)
		h.Write(b)
	}
	return `W/"` + strconv.FormatUint(h.Sum64(), 36) + `"`
}

// tagListed says whether an If-None-Match field lists tag, compared weakly
// (RFC 9110 8.8.3.2).
func tagListed(values []string, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			item = strings.TrimSpace(item)
			if item == "*" || strings.TrimPrefix(item, "W/") == tag {
				return true
			}
		}
	}
	return false
}

// wantsJSON says whether an Accept field prefers JSON to a page.
func wantsJSON(accept []string) bool {
	return acceptQuality(accept, "application/json") > acceptQuality(accept, "text/html")
}

// wantsHTML says whether an Accept field names HTML, as browsers do.
func wantsHTML(accept []string) bool { return acceptQuality(accept, "text/html") > 0 }

// acceptQuality is the weight (RFC 9110 12.4.2) an Accept field gives to a type
// it names; 0 where only a wildcard covers it.
func acceptQuality(accept []string, mediaType string) float64 {
	best := 0.0
	for _, value := range accept {
		for item := range strings.SplitSeq(value, ",") {
			name, params, _ := strings.Cut(item, ";")
			if !strings.EqualFold(strings.TrimSpace(name), mediaType) {
				continue
			}
			q := 1.0
			for param := range strings.SplitSeq(params, ";") {
				if weight, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(param)), "q="); ok {
					var err error
					if q, err = strconv.ParseFloat(weight, 64); err != nil {
						q = 0
					}
				}
			}
			best = max(best, q)
		}
	}
	return best
}

// jsonEntry is one entry of the JSON listing.
type jsonEntry struct {
	Name     string     `json:"name"`
	Type     string     `json:"type"` // "file" or "folder"
	Size     *int64     `json:"size,omitempty"`
	Modified *time.Time `json:"modified,omitempty"`
	Href     string     `json:"href"`
}

// writeJSON writes {"path", "truncated", "entries": [{"name", "type", "size",
// "modified", "href"}]}, one entry per line. A name that is not UTF-8 is exact
// in href only.
func (l *listing) writeJSON(w io.Writer) error {
	quoted, err := json.Marshal(l.path)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, `{"path":%s,"truncated":%t,"entries":[`, quoted, l.truncated); err != nil {
		return err
	}
	for i := range l.entries {
		e := &l.entries[i]
		item := jsonEntry{Name: e.name, Type: "folder", Href: e.href()}
		if !e.folder {
			item.Type, item.Size = "file", &e.size
		}
		if !e.modified.IsZero() {
			modified := e.modified.UTC().Truncate(time.Second)
			item.Modified = &modified
		}
		b, err := json.Marshal(item)
		if err != nil {
			return err
		}
		separator := ",\n"
		if i == 0 {
			separator = "\n"
		}
		if _, err := fmt.Fprintf(w, "%s%s", separator, b); err != nil {
			return err
		}
	}
	_, err = io.WriteString(w, "\n]}\n")
	return err
}
