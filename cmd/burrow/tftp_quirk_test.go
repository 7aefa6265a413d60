package main

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/burrownet/burrow/tftp"
)

func TestParseQuirk(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]tftp.Quirk{
		"mac=00-1B-78,blksize=1024": {Name: "mac=00-1B-78,blksize=1024", MAC: "00:1b:78", MaxBlockSize: 1024},
		"name=old ones,net=10.0.5.7/24,windowsize=1,ignore=tsize+rollover": {
			Name: "old ones", Net: netip.MustParsePrefix("10.0.5.0/24"), MaxWindowSize: 1, IgnoreOptions: []string{"tsize", "rollover"},
		},
		"net=10.0.5.7,ignore=*":  {Name: "net=10.0.5.7,ignore=*", Net: netip.MustParsePrefix("10.0.5.7/32"), IgnoreOptions: []string{"*"}},
		"name=all,rollover=1":    {Name: "all", RolloverToOne: true},
		"net=fd00::/8,blksize=8": {Name: "net=fd00::/8,blksize=8", Net: netip.MustParsePrefix("fd00::/8"), MaxBlockSize: 8},
	} {
		if got, err := parseQuirk(spec); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("parseQuirk(%q) = %+v, %v; want %+v", spec, got, err, want)
		}
	}
	for spec, want := range map[string]string{
		"":                                "is not KEY=VALUE",
		"mac":                             "is not KEY=VALUE",
		"mac=,blksize=8":                  "is not KEY=VALUE",
		"mac=00:1b:7,blksize=8":           "beginning of a hardware address",
		"mac=00:00:00:00:00:00:00,ignore": "beginning of a hardware address",
		"net=10.0.5,blksize=8":            "range of addresses",
		"blksize=7":                       "from 8 to 65464",
		"windowsize=65536":                "from 1 to 65535",
		"rollover=2":                      "0 or 1",
		"ignore=tsise":                    `no option "tsise"`,
		"color=red":                       `no "color"`,
		"net=10.0.5.0/24":                 "changes nothing",
	} {
		if got, err := parseQuirk(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseQuirk(%q) = %+v, %v; want %q", spec, got, err, want)
		}
	}
}
