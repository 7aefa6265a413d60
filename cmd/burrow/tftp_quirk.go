package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/burrownet/burrow/tftp"
)

// quirkOptions are the options of RFC 2347 that the server knows.
var quirkOptions = []string{"blksize", "tsize", "timeout", "utimeout", "windowsize", "rollover", "*"}

// parseQuirk reads a --quirk:
//
//	mac=00:1b:78,blksize=1024
//	net=10.0.5.0/24,ignore=tsize+windowsize,name=old switches
func parseQuirk(spec string) (tftp.Quirk, error) {
	var q tftp.Quirk
	acts := false
	for part := range strings.SplitSeq(spec, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			return q, quirkError(spec, fmt.Sprintf("%q is not KEY=VALUE", part))
		}
		var err error
		switch key {
		case "mac":
			q.MAC, err = macPrefix(value)
		case "net":
			q.Net, err = addrRange(value)
		case "name":
			q.Name = value
		case "blksize":
			q.MaxBlockSize, err = between(value, 8, 65464)
		case "windowsize":
			q.MaxWindowSize, err = between(value, 1, 65535)
		case "ignore":
			q.IgnoreOptions, err = optionList(value)
		case "rollover":
			q.RolloverToOne = value == "1"
			if value != "0" && value != "1" {
				err = errors.New("rollover is 0 or 1")
			}
		default:
			err = fmt.Errorf("there is no %q; there are mac, net, name, blksize, windowsize, ignore and rollover", key)
		}
		if err != nil {
			return q, quirkError(spec, err.Error())
		}
		acts = acts || key != "mac" && key != "net" && key != "name"
	}
	if !acts {
		return q, quirkError(spec, "it changes nothing: say blksize, windowsize, ignore or rollover")
	}
	if q.Name == "" {
		q.Name = spec
	}
	return q, nil
}

func quirkError(spec, reason string) error {
	return fmt.Errorf("--quirk is such as mac=00:1b:78,blksize=1024, not %q: %s", spec, reason)
}

// macPrefix is one to six bytes of a hardware address, in the form records have.
func macPrefix(s string) (string, error) {
	parts := strings.Split(strings.ReplaceAll(s, "-", ":"), ":")
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 16, 8)
		if err != nil || len(p) != 2 || len(parts) > 6 {
			return "", errors.New("mac is the beginning of a hardware address, such as 00:1b:78")
		}
		parts[i] = fmt.Sprintf("%02x", n)
	}
	return strings.Join(parts, ":"), nil
}

// addrRange is a range of addresses, or one.
func addrRange(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, errors.New("net is a range of addresses, such as 10.0.5.0/24")
	}
	return p.Masked(), nil
}

func between(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%q is not from %d to %d", s, low, high)
	}
	return n, nil
}

func optionList(s string) ([]string, error) {
	list := strings.Split(s, "+")
	for _, name := range list {
		if !slices.Contains(quirkOptions, name) {
			return nil, fmt.Errorf("there is no option %q; there are %s", name, strings.Join(quirkOptions, ", "))
		}
	}
	return list, nil
}
