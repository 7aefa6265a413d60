package tftp

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
)

// counters are the live figures of a Server.
type counters struct {
	requests, repeated, refusedBusy, strays, malformed atomic.Int64

	ended     [2][len(results)]atomic.Int64 // reads and writes, by result
	bytes     [2]atomic.Int64
	blocks    [2]atomic.Int64
	again     [2]atomic.Int64
	strangers atomic.Int64
	dropped   atomic.Int64 // records

	fetches, fetchHits atomic.Int64
}

// Stats are the figures of a Server since it was made.
type Stats struct {
	Active      int64 // transfers under way
	Requests    int64 // RRQ and WRQ that began a transfer
	Repeated    int64 // copies of requests, that began none
	Busy        int64 // requests beyond a limit, not answered
	Strays      int64 // packets that belong to nothing
	Malformed   int64 // datagrams that are not TFTP
	Strangers   int64 // packets to a transfer from a foreign address
	Read, Write TransferStats
	Fetches     int64 // questions to origins
	FetchHits   int64 // requests for remote files that needed none
	CacheBytes  int64 // memory for contents of files
	Dropped     int64 // records that OnTransfer was too slow for
}

// TransferStats are those of one direction.
type TransferStats struct {
	Ended       map[Result]int64
	Bytes       int64 // acknowledged
	Blocks      int64 // acknowledged
	Retransmits int64 // packets sent again
}

// Stats returns the figures. It may be called at any time.
func (s *Server) Stats() Stats {
	c := &s.counters
	st := Stats{
		Requests: c.requests.Load(), Repeated: c.repeated.Load(), Busy: c.refusedBusy.Load(),
		Strays: c.strays.Load(), Malformed: c.malformed.Load(), Strangers: c.strangers.Load(),
		Read: c.direction(0), Write: c.direction(1),
		Fetches: c.fetches.Load(), FetchHits: c.fetchHits.Load(), Dropped: c.dropped.Load(),
	}
	s.mu.Lock()
	sh := s.shared
	s.mu.Unlock()
	if sh != nil {
		st.CacheBytes = sh.cache.bytes()
		sh.mu.Lock()
		st.Active = sh.active
		sh.mu.Unlock()
	}
	return st
}

func (c *counters) direction(i int) TransferStats {
	t := TransferStats{Ended: map[Result]int64{}, Bytes: c.bytes[i].Load(), Blocks: c.blocks[i].Load(), Retransmits: c.again[i].Load()}
	for j, r := range results {
		t.Ended[r] = c.ended[i][j].Load()
	}
	return t
}

// count adds a finished transfer.
func (c *counters) count(r *Record) {
	i := 0
	if r.Op == "write" {
		i = 1
	}
	for j, result := range results {
		if result == r.Result {
			c.ended[i][j].Add(1)
		}
	}
	c.bytes[i].Add(r.Bytes)
	c.blocks[i].Add(r.Blocks)
	c.again[i].Add(int64(r.Retransmits))
}

// WriteMetrics writes the figures in the text format of Prometheus, version
// 0.0.4. It may be called at any time.
func (s *Server) WriteMetrics(w io.Writer) error {
	st := s.Stats()
	var b bytes.Buffer
	one := func(name, kind, help string, v int64) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n%s %d\n", name, help, name, kind, name, v)
	}
	one("burrow_tftp_active_transfers", "gauge", "Transfers under way.", st.Active)
	one("burrow_tftp_cache_bytes", "gauge", "Memory for contents of files.", st.CacheBytes)
	one("burrow_tftp_requests_total", "counter", "Requests that began a transfer.", st.Requests)
	one("burrow_tftp_repeated_requests_total", "counter", "Copies of requests.", st.Repeated)
	one("burrow_tftp_busy_total", "counter", "Requests beyond a limit.", st.Busy)
	one("burrow_tftp_stray_packets_total", "counter", "Packets that belong to nothing.", st.Strays)
	one("burrow_tftp_malformed_packets_total", "counter", "Datagrams that are not TFTP.", st.Malformed)
	one("burrow_tftp_foreign_packets_total", "counter", "Packets to a transfer from a foreign address.", st.Strangers)
	one("burrow_tftp_fetches_total", "counter", "Questions to the origins of remote files.", st.Fetches)
	one("burrow_tftp_fetch_hits_total", "counter", "Requests for remote files that needed none.", st.FetchHits)
	one("burrow_tftp_dropped_records_total", "counter", "Records that were not handed out.", st.Dropped)
	directions := [...]struct {
		op string
		t  *TransferStats
	}{{"read", &st.Read}, {"write", &st.Write}}
	both := func(name, help string, value func(*TransferStats) int64) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s counter\n", name, help, name)
		for _, d := range directions {
			fmt.Fprintf(&b, "%s{op=%q} %d\n", name, d.op, value(d.t))
		}
	}
	both("burrow_tftp_bytes_total", "Bytes acknowledged.", func(t *TransferStats) int64 { return t.Bytes })
	both("burrow_tftp_blocks_total", "Blocks acknowledged.", func(t *TransferStats) int64 { return t.Blocks })
	both("burrow_tftp_retransmits_total", "Packets sent again.", func(t *TransferStats) int64 { return t.Retransmits })
	fmt.Fprintf(&b, "# HELP burrow_tftp_transfers_total Transfers that have ended.\n# TYPE burrow_tftp_transfers_total counter\n")
	for _, d := range directions {
		for _, r := range results {
			fmt.Fprintf(&b, "burrow_tftp_transfers_total{op=%q,result=%q} %d\n", d.op, r, d.t.Ended[r])
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}
