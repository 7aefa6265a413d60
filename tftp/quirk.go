package tftp

import (
	"bufio"
	"bytes"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Quirk is what the server does differently for clients that need it. It
// applies to those that match MAC or Net, all when both are empty. Of several
// that match, each adds what it says; a later one wins.
type Quirk struct {
	// Name is what records call it.
	Name string
	// MAC is the beginning of a hardware address, such as "00:1b:78", in any case
	// of letters. It is looked up with Server.LookupMAC.
	MAC string
	// Net is a range of addresses, IPv4 ones as IPv4. Zones do not count.
	Net netip.Prefix

	// MaxBlockSize and MaxWindowSize cap what is granted; 0: as the server does.
	MaxBlockSize, MaxWindowSize int
	// IgnoreOptions are the options that are not answered; "*" is all of them, so
	// that there is no OACK.
	IgnoreOptions []string
	// RolloverToOne numbers the block after 65535 as 1 instead of 0, unless the
	// client negotiates it.
	RolloverToOne bool
}

func (q *Quirk) matches(client netip.Addr, mac string) bool {
	if q.MAC != "" && (mac == "" || !strings.HasPrefix(mac, strings.ToLower(q.MAC))) {
		return false
	}
	return !q.Net.IsValid() || q.Net.Contains(client.WithZone("")) // Contains is never true of one with a zone
}

// applyQuirks narrows c for a client and returns the names of what was applied.
func applyQuirks(quirks []Quirk, client netip.Addr, mac string, c *caps) string {
	var names []string
	for i := range quirks {
		q := &quirks[i]
		if !q.matches(client, mac) {
			continue
		}
		names = append(names, q.Name)
		if q.MaxBlockSize > 0 {
			c.blockSize = max(minBlockSize, min(c.blockSize, q.MaxBlockSize))
		}
		if q.MaxWindowSize > 0 {
			c.window = min(c.window, q.MaxWindowSize)
		}
		c.ignore = append(slices.Clip(c.ignore), q.IgnoreOptions...)
		if q.RolloverToOne {
			c.rollover = rolloverOne
		}
	}
	return strings.Join(names, ", ")
}

// wantMAC reports whether any quirk asks for a hardware address.
func wantMAC(quirks []Quirk) bool {
	return slices.ContainsFunc(quirks, func(q Quirk) bool { return q.MAC != "" })
}

// neighbours is the system's ARP table, read again when it is older than a
// second. Its methods may be called concurrently.
type neighbours struct {
	mu    sync.Mutex
	at    time.Time             // guarded by mu
	table map[netip.Addr]string // guarded by mu
}

// lookup returns the hardware address of a neighbour, in lower case, or "".
func (n *neighbours) lookup(a netip.Addr) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now := time.Now(); now.Sub(n.at) > time.Second {
		text, _ := os.ReadFile("/proc/net/arp") // it exists on Linux only
		n.at, n.table = now, parseARP(text)
	}
	return n.table[a]
}

// arpComplete is the flag of an entry whose hardware address is known, ATF_COM.
const arpComplete = 2

// parseARP reads /proc/net/arp:
//
//	IP address  HW type  Flags  HW address  Mask  Device
//
// An entry that is not complete has an address of zeros.
func parseARP(text []byte) map[netip.Addr]string {
	table := map[netip.Addr]string{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 4 {
			continue
		}
		addr, err := netip.ParseAddr(words[0])
		mac, err2 := net.ParseMAC(words[3])
		flags, err3 := strconv.ParseUint(words[2], 0, 32)
		if err == nil && err2 == nil && err3 == nil && flags&arpComplete != 0 {
			table[addr] = mac.String()
		}
	}
	return table
}
