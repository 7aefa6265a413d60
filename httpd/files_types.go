package httpd

import (
	"bytes"
	"io"
	"path"
	"strings"
	"unicode/utf8"
)

// contentTypes maps extensions to media types. It is built in because the
// operating system's own tables differ from machine to machine.
var contentTypes = map[string]string{
	// text
	".htm": "text/html", ".html": "text/html", ".css": "text/css", ".csv": "text/csv", ".txt": "text/plain",
	".tsv": "text/tab-separated-values", ".md": "text/markdown", ".markdown": "text/markdown", ".vtt": "text/vtt",
	".ics": "text/calendar", ".vcf": "text/vcard", ".log": "text/plain", ".conf": "text/plain", ".ini": "text/plain",
	".diff": "text/plain", ".patch": "text/plain", ".go": "text/plain", ".mod": "text/plain", ".sum": "text/plain",
	".c": "text/plain", ".h": "text/plain", ".cc": "text/plain", ".cpp": "text/plain", ".hpp": "text/plain",
	".rs": "text/plain", ".py": "text/plain", ".rb": "text/plain", ".java": "text/plain", ".kt": "text/plain",
	".pas": "text/plain", ".sh": "text/plain", ".sql": "text/plain", ".toml": "text/plain", ".yaml": "text/yaml",
	".yml": "text/yaml", ".rst": "text/plain", ".tex": "text/plain", ".srt": "text/plain", ".tsx": "text/plain", ".jsx": "text/plain",
	// RFC 9239 6: text/javascript is the type of every script.
	".js": "text/javascript", ".mjs": "text/javascript", ".cjs": "text/javascript",
	// structured data
	".json": "application/json", ".map": "application/json", ".jsonld": "application/ld+json",
	".geojson": "application/geo+json", ".webmanifest": "application/manifest+json", ".wasm": "application/wasm",
	".xml": "application/xml", ".xhtml": "application/xhtml+xml", ".xsl": "application/xslt+xml",
	".rss": "application/rss+xml", ".atom": "application/atom+xml", ".ndjson": "application/x-ndjson",
	// images
	".png": "image/png", ".apng": "image/apng", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
	".webp": "image/webp", ".avif": "image/avif", ".jxl": "image/jxl", ".heic": "image/heic", ".svg": "image/svg+xml",
	".ico": "image/vnd.microsoft.icon", ".bmp": "image/bmp", ".tif": "image/tiff", ".tiff": "image/tiff", ".psd": "image/vnd.adobe.photoshop",
	// sound and pictures that move; ".ts" is TypeScript on the web far more
	// often than an MPEG stream, so its bytes decide
	".mp3": "audio/mpeg", ".m4a": "audio/mp4", ".aac": "audio/aac", ".oga": "audio/ogg", ".ogg": "audio/ogg",
	".opus": "audio/ogg", ".flac": "audio/flac", ".wav": "audio/wav", ".weba": "audio/webm", ".mid": "audio/midi",
	".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm", ".ogv": "video/ogg", ".mov": "video/quicktime",
	".mkv": "video/matroska", ".avi": "video/vnd.avi", ".mpeg": "video/mpeg", ".mpg": "video/mpeg",
	".m3u8": "application/vnd.apple.mpegurl", ".mpd": "application/dash+xml",
	// fonts
	".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".otf": "font/otf", ".ttc": "font/collection",
	// documents
	".pdf": "application/pdf", ".epub": "application/epub+zip", ".rtf": "application/rtf",
	".doc": "application/msword", ".xls": "application/vnd.ms-excel", ".ppt": "application/vnd.ms-powerpoint",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	".odt":  "application/vnd.oasis.opendocument.text", ".ods": "application/vnd.oasis.opendocument.spreadsheet",
	".odp": "application/vnd.oasis.opendocument.presentation",
	// archives and programs
	".zip": "application/zip", ".gz": "application/gzip", ".tgz": "application/gzip", ".tar": "application/x-tar",
	".bz2": "application/x-bzip2", ".xz": "application/x-xz", ".zst": "application/zstd", ".7z": "application/x-7z-compressed",
	".rar": "application/vnd.rar", ".br": octetStream, ".iso": octetStream, ".img": octetStream, ".bin": octetStream,
	".exe": octetStream, ".dll": octetStream, ".so": octetStream, ".dmg": octetStream, ".dat": octetStream,
	".deb": "application/vnd.debian.binary-package", ".rpm": "application/x-rpm", ".jar": "application/java-archive",
	".apk": "application/vnd.android.package-archive",
}

const octetStream = "application/octet-stream"

// typeByName gives the Content-Type of a file's name, "" when the name does
// not tell.
func typeByName(name string) string {
	mediaType := contentTypes[strings.ToLower(path.Ext(name))]
	if strings.HasPrefix(mediaType, "text/") {
		return mediaType + "; charset=utf-8"
	}
	return mediaType
}

// sniffText tells UTF-8 text from anything else by the first 512 bytes, and
// never finds an active type such as HTML in them: a name that does not say
// "page" is not run as one. It leaves content at its start.
func sniffText(content io.ReadSeeker) (string, error) {
	var head [512]byte
	n, err := io.ReadFull(content, head[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", err
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	if looksLikeText(head[:n]) {
		return "text/plain; charset=utf-8", nil
	}
	return octetStream, nil
}

// looksLikeText accepts UTF-8 without control characters; the last rune may be
// cut off.
func looksLikeText(b []byte) bool {
	if bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\n\f\r\x1b", r) || r == 0x7f }) {
		return false
	}
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			return !utf8.FullRune(b)
		}
		b = b[size:]
	}
	return true
}
