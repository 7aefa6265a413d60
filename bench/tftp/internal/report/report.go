package report

import "time"

// Result is the outcome of one measured run. Times are in nanoseconds.
type Result struct {
	// Bytes came, of all fetches together.
	Bytes int64 `json:"bytes"`
	// Elapsed is from the first request to the last block of the last fetch.
	Elapsed time.Duration `json:"elapsed_ns"`
	// ServerCPU is what the server and its processes used meanwhile.
	ServerCPU time.Duration `json:"server_cpu_ns"`
	// LoadCPU is what the load used.
	LoadCPU time.Duration `json:"load_cpu_ns"`
	// Rest is the server's memory before, Peak the most that was seen, in bytes:
	// of its processes together, shared pages counted once.
	Rest int64 `json:"rest_bytes"`
	Peak int64 `json:"peak_bytes"`
	// Granted are the options that the server granted to the first client.
	Granted string `json:"granted"`
	// Resent is what the clients had to send again after a second of silence.
	Resent int `json:"resent"`
	// Behind are blocks that came twice or out of order.
	Behind int `json:"behind"`
	// Verified is how many files were compared with the checksum.
	Verified int `json:"verified"`
	// Failed is how many fetches did not come to their end.
	Failed int `json:"failed"`
	// FirstError is the text of the first of them.
	FirstError string `json:"first_error,omitempty"`
}
