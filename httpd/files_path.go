package httpd

import (
	"net/url"
	"strings"
)

// pathVerdict is what resolvePath thinks of a URL path.
type pathVerdict int

const (
	pathGood      pathVerdict = iota
	pathDoubled               // empty segments: the same path without them is meant
	pathMalformed             // no client that follows RFC 3986 5.2.4 sends it
	pathAbsent                // a name that is never served
)

// resolvePath turns the decoded path of a URL into the name of a file as fs.FS
// knows names ("." is the root). windows says whether names are those of
// Windows, where one file has many spellings and some names are devices.
func resolvePath(urlPath string, showHidden, windows bool) (string, pathVerdict) {
	trimmed := strings.TrimPrefix(urlPath, "/")
	trimmed = strings.TrimSuffix(trimmed, "/")
	if trimmed == "" {
		if strings.Count(urlPath, "/") > 1 {
			return "", pathDoubled
		}
		return ".", pathGood
	}
	doubled := false
	for i, segment := range strings.Split(trimmed, "/") {
		switch {
		case segment == "":
			doubled = true
		case segment == "." || segment == "..", strings.IndexByte(segment, 0) >= 0:
			// RFC 3986 5.2.4: clients remove dot segments before they ask.
			return "", pathMalformed
		case !showHidden && segment[0] == '.' && (i != 0 || segment != ".well-known"):
			return "", pathAbsent
		case windows && !plainOnWindows(segment):
			return "", pathAbsent
		}
	}
	if doubled {
		return "", pathDoubled
	}
	return trimmed, pathGood
}

// plainOnWindows says whether a name means one file there: not a device, not
// an alternate data stream, nor another spelling of some file.
func plainOnWindows(name string) bool {
	if strings.ContainsAny(name, "\\:<>\"|?*") || strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") {
		return false
	}
	if at := strings.LastIndexByte(name, '~'); at >= 0 && at+1 < len(name) && name[at+1] >= '0' && name[at+1] <= '9' && len(name) <= 12 {
		return false // the short (8.3) name of a file, perhaps of a hidden one
	}
	stem, _, _ := strings.Cut(name, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return false
	}
	if port, ok := strings.CutPrefix(stem, "COM"); ok {
		return !isPortDigit(port)
	}
	if port, ok := strings.CutPrefix(stem, "LPT"); ok {
		return !isPortDigit(port)
	}
	return true
}

// isPortDigit knows the digits of COM1 and LPT1, superscript ones included.
func isPortDigit(s string) bool {
	switch s {
	case "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³":
		return true
	}
	return false
}

// collapsedReference is the reference, relative to the path that was asked for, as it
// was written, of urlPath without its empty segments: up to the root, then down again.
func collapsedReference(escaped, urlPath string) string {
	var ref strings.Builder
	if up := strings.Count(strings.TrimPrefix(escaped, "/"), "/"); up > 0 {
		ref.WriteString(strings.Repeat("../", up))
	} else {
		ref.WriteString("./")
	}
	parts := strings.FieldsFunc(urlPath, func(r rune) bool { return r == '/' })
	for i, part := range parts {
		ref.WriteString(url.PathEscape(part))
		if i+1 < len(parts) || strings.HasSuffix(urlPath, "/") {
			ref.WriteByte('/')
		}
	}
	return ref.String()
}
