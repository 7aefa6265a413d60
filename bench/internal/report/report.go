package report

import "time"

// Result is the outcome of one measured run. Times are in nanoseconds.
type Result struct {
	// Requests were answered within the window, all correctly.
	Requests int64 `json:"requests"`
	// Elapsed is the length of the measured window.
	Elapsed time.Duration `json:"elapsed_ns"`
	// ServerCPU is what the server's process used in the window; 0 when no
	// process was named.
	ServerCPU time.Duration `json:"server_cpu_ns"`
	// LoadCPU is what the load generator used in the window.
	LoadCPU time.Duration `json:"load_cpu_ns"`
	// Latency is from sending a request (or, at a fixed rate, from the moment
	// it was due) to its whole answer.
	Latency Latency `json:"latency"`
	// Slow is the traffic on /slow beside it.
	Slow *Slow `json:"slow,omitempty"`
	// TLS names version, cipher suite and key exchange.
	TLS string `json:"tls,omitempty"`
	// Memory holds one entry per plateau of idle connections.
	Memory []Plateau `json:"memory,omitempty"`
	// Due is how many Requests there would be if nothing came late, or not at all; 0
	// where there is no fixed rate.
	Due int64 `json:"due,omitempty"`
	// Alone is the same traffic, measured before what this result was measured beside.
	Alone *Result `json:"alone,omitempty"`
	// Errors counts connections that broke and answers that were wrong.
	Errors int64 `json:"errors"`
	// FirstError is the text of the first of them.
	FirstError string `json:"first_error,omitempty"`
}

// Latency is a distribution, in nanoseconds; each value is exact to 1.6 %.
type Latency struct {
	P50 time.Duration `json:"p50_ns"`
	P90 time.Duration `json:"p90_ns"`
	P99 time.Duration `json:"p99_ns"`
	Max time.Duration `json:"max_ns"`
}

// Slow is the outcome of the slow requests beside the measured ones.
type Slow struct {
	Requests int64   `json:"requests"`
	Latency  Latency `json:"latency"`
}

// Plateau is the server's memory while that many connections were idle.
type Plateau struct {
	Conns int   `json:"conns"`
	RSS   int64 `json:"rss_bytes"`
	// Alive is how many of them were still open afterwards.
	Alive int `json:"alive"`
}
