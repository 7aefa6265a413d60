package http1

// StatusText is the standard reason phrase of a status code (RFC 9110 15 and the
// IANA registry); "" if it has none.
func StatusText(code int) string {
	if code < 100 || code >= 600 {
		return ""
	}
	if of := statusTexts[code/100]; code%100 < len(of) {
		return of[code%100]
	}
	return ""
}

// statusTexts is by class and number in it.
var statusTexts = [...][]string{
	1: {"Continue", "Switching Protocols", "Processing", "Early Hints"},
	2: {
		"OK", "Created", "Accepted", "Non-Authoritative Information", "No Content", "Reset Content",
		"Partial Content", "Multi-Status", "Already Reported", 26: "IM Used",
	},
	3: {
		"Multiple Choices", "Moved Permanently", "Found", "See Other", "Not Modified", "Use Proxy",
		7: "Temporary Redirect", 8: "Permanent Redirect",
	},
	4: {
		"Bad Request", "Unauthorized", "Payment Required", "Forbidden", "Not Found",
		"Method Not Allowed", "Not Acceptable", "Proxy Authentication Required", "Request Timeout",
		"Conflict", "Gone", "Length Required", "Precondition Failed", "Content Too Large",
		"URI Too Long", "Unsupported Media Type", "Range Not Satisfiable", "Expectation Failed",
		"I'm a teapot", 21: "Misdirected Request", 22: "Unprocessable Content", 23: "Locked",
		24: "Failed Dependency", 25: "Too Early", 26: "Upgrade Required", 28: "Precondition Required",
		29: "Too Many Requests", 31: "Request Header Fields Too Large",
		51: "Unavailable For Legal Reasons",
	},
	5: {
		"Internal Server Error", "Not Implemented", "Bad Gateway", "Service Unavailable",
		"Gateway Timeout", "HTTP Version Not Supported", "Variant Also Negotiates",
		"Insufficient Storage", "Loop Detected", 10: "Not Extended", 11: "Network Authentication Required",
	},
}
