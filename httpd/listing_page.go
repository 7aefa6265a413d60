package httpd

import (
	"crypto/sha256"
	_ "embed" // the page's template, style and script
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

//go:embed listing.html
var listingHTML string

//go:embed listing.css
var listingCSS string

//go:embed listing.js
var listingJS string

var (
	pageTemplates = template.Must(template.New("listing.html").Parse(listingHTML))

	// pagePolicy lets the page run its own style and script, known by their
	// hashes, and load nothing at all: a name cannot bring in code even if it
	// got past the escaping. The icons are data: images inside the style.
	pagePolicy = "default-src 'none'; style-src '" + sourceHash(listingCSS) + "'; script-src '" + sourceHash(listingJS) +
		"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

	// pageVersion changes with the page, so that no old copy is taken for it.
	pageVersion = sourceHash(listingHTML + listingCSS + listingJS)
)

// sourceHash is a hash-source of Content-Security-Policy Level 3, 2.3.1.
func sourceHash(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// filterFrom is how many entries bring up the filter box.
const filterFrom = 10

// pageData is what both pages of listing.html are given.
type pageData struct {
	Style, Script template.HTML

	// The listing.
	Path      string
	Crumbs    []crumb
	Parent    bool
	Columns   []column
	Filter    bool
	Summary   string
	Truncated string

	// The error page.
	Status int
	Reason string
	Advice string
	Up     string
}

// crumb is one folder of the way to this one.
type crumb struct{ Name, Href string }

// column is the head of one column: a link that sorts without script, too.
type column struct{ Key, Label, Href, Aria string }

// writePage writes the folder as a page, row after row. It has a summary unless
// it is empty.
func (l *listing) writePage(w io.Writer) error {
	data := newPageData()
	data.Path = l.path
	data.Crumbs = l.crumbs()
	data.Parent = l.path != "/"
	data.Columns = l.columns()
	data.Filter = len(l.entries) >= filterFrom
	data.Summary = l.summary()
	if l.truncated {
		data.Truncated = groupDigits(int64(len(l.entries)))
	}
	if err := pageTemplates.ExecuteTemplate(w, "top", data); err != nil {
		return err
	}
	var b []byte
	for i := range l.entries {
		b = l.entries[i].appendRow(b[:0])
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return pageTemplates.ExecuteTemplate(w, "bottom", data)
}

func newPageData() *pageData {
	return &pageData{
		Style:  template.HTML("<style>" + listingCSS + "</style>"),
		Script: template.HTML("<script>" + listingJS + "</script>"),
	}
}

// crumbs are the folders above this one and this one itself, whose Href is "".
func (l *listing) crumbs() []crumb {
	names := strings.FieldsFunc(l.path, func(r rune) bool { return r == '/' })
	crumbs := make([]crumb, len(names))
	for i, name := range names {
		crumbs[i] = crumb{Name: name, Href: strings.Repeat("../", len(names)-1-i)}
	}
	if len(names) == 0 {
		return nil
	}
	home := crumb{Href: strings.Repeat("../", len(names))}
	return append([]crumb{home}, crumbs...)
}

// columns makes the link of each column: the sorted one turns round, names
// begin at the start of the alphabet, sizes and dates with the greatest.
func (l *listing) columns() []column {
	columns := []column{{Key: "name", Label: "Name"}, {Key: "size", Label: "Size"}, {Key: "date", Label: "Modified"}}
	for i := range columns {
		c := &columns[i]
		desc := c.Key != "name"
		if c.Key == l.key {
			desc = !l.desc
			c.Aria = "ascending"
			if l.desc {
				c.Aria = "descending"
			}
		}
		order := "asc"
		if desc {
			order = "desc"
		}
		c.Href = "?" + url.Values{"sort": {c.Key}, "order": {order}}.Encode()
	}
	return columns
}

func (l *listing) summary() string {
	var folders, files, total int64
	for i := range l.entries {
		if l.entries[i].folder {
			folders++
			continue
		}
		files++
		total += l.entries[i].size
	}
	var parts []string
	if folders > 0 {
		parts = append(parts, plural(folders, "folder"))
	}
	if files > 0 {
		parts = append(parts, plural(files, "file"), humanSize(total))
	}
	return strings.Join(parts, " · ")
}

func plural(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return groupDigits(n) + " " + noun
}

// appendRow writes one row of the table: by hand, as the template takes ten
// times as long and folders are large. The name and the reference are all that
// others decide, and both are escaped.
func (e *entry) appendRow(b []byte) []byte {
	kind := "folder"
	if !e.folder {
		kind = kindOf(e.name)
	}
	b = strconv.AppendInt(append(b, `<tr data-i="`...), int64(e.rank), 10)
	b = strconv.AppendInt(append(b, `" data-s="`...), e.size, 10)
	b = strconv.AppendInt(append(b, `" data-t="`...), e.modified.Unix(), 10)
	b = append(append(b, `"><td class="name"><a class="`...), kind...)
	b = append(append(b, `" href="`...), template.HTMLEscapeString(e.href())...)
	b = append(append(b, `">`...), template.HTMLEscapeString(e.name)...)
	b = append(b, `</a></td><td class="size"`...)
	if e.folder {
		b = append(b, '>')
	} else {
		b = append(append(b, ` title="`...), plural(e.size, "byte")...)
		b = append(append(b, `">`...), humanSize(e.size)...)
	}
	b = append(b, `</td><td class="date">`...)
	if !e.modified.IsZero() {
		utc := e.modified.UTC()
		b = utc.AppendFormat(b, `<time datetime="2006-01-02T15:04:05Z">2006-01-02 <i>15:04</i></time>`)
	}
	return append(b, "</td></tr>\n"...)
}

// kindOf picks the icon.
func kindOf(name string) string {
	mediaType := typeByName(name)
	top, sub, _ := strings.Cut(mediaType, "/")
	switch {
	case top == "image":
		return "image"
	case top == "audio", top == "video":
		return "media"
	case top == "text", sub == "json", sub == "pdf", sub == "xml", strings.Contains(sub, "document"), strings.HasSuffix(sub, "+json"):
		return "text"
	case strings.Contains(sub, "zip"), strings.Contains(sub, "tar"), strings.Contains(sub, "compressed"),
		strings.HasSuffix(sub, "zstd"), strings.HasSuffix(sub, "rar"), strings.Contains(sub, "package"), strings.HasSuffix(sub, "archive"):
		return "archive"
	}
	return "file"
}

// humanSize writes bytes in decimal units with three digits at most.
func humanSize(bytes int64) string {
	if bytes < 1000 {
		return strconv.FormatInt(bytes, 10) + " B"
	}
	value := float64(bytes)
	units := []string{"kB", "MB", "GB", "TB", "PB", "EB"}
	unit := -1
	for value >= 999.5 && unit+1 < len(units) {
		value /= 1000
		unit++
	}
	if value < 9.95 {
		return fmt.Sprintf("%.1f %s", value, units[unit])
	}
	return fmt.Sprintf("%.0f %s", value, units[unit])
}

// groupDigits writes n with commas: 1,234,567.
func groupDigits(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// writeErrorPage answers a browser.
func writeErrorPage(w http.ResponseWriter, r *http.Request, status int) {
	data := newPageData()
	data.Status = status
	data.Reason = http.StatusText(status)
	switch status {
	case http.StatusNotFound:
		data.Advice = "There is nothing here. It may have been moved or removed."
	case http.StatusForbidden:
		data.Advice = "This is not shown to visitors."
	case http.StatusBadRequest:
		data.Advice = "The address is not one this server understands."
	case http.StatusMethodNotAllowed:
		data.Advice = "Files can be read here, and nothing else."
	case http.StatusPreconditionFailed:
		data.Advice = "What is here is not, or no longer, what was asked for."
	default:
		data.Advice = "Something went wrong on this side. The server's log says what."
	}
	data.Up = "./"
	if strings.HasSuffix(r.URL.Path, "/") {
		data.Up = "../"
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_ = pageTemplates.ExecuteTemplate(w, "error", data) // the client went away: nobody is left to tell
	}
}
