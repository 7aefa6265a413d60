package tftp

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// check finds settings that mean nothing. Where negative means unlimited, or none,
// that is said at the field.
func (s *Server) check() error {
	if err := inRange("BlockSize", s.BlockSize, minBlockSize, maxBlockSize); err != nil {
		return err
	}
	if err := inRange("WindowSize", s.WindowSize, 1, maxWindowSize); err != nil {
		return err
	}
	for _, q := range s.Quirks {
		if q.MaxBlockSize < 0 || q.MaxWindowSize < 0 {
			return fmt.Errorf("quirk %q has a negative size", q.Name)
		}
	}
	for name, d := range map[string]time.Duration{"Timeout": s.Timeout, "MinTimeout": s.MinTimeout, "Silence": s.Silence} {
		if d < 0 {
			return fmt.Errorf("%s is negative", name)
		}
	}
	switch {
	case s.PortMin == 0 && s.PortMax == 0:
	case s.PortMin < 1 || s.PortMax < s.PortMin || s.PortMax > 65535:
		return errors.New("PortMin and PortMax are not a range of ports")
	}
	return nil
}

// check finds settings that mean nothing.
func (c *Client) check() error {
	if err := inRange("BlockSize", max(c.BlockSize, 0), minBlockSize, maxBlockSize); err != nil {
		return err
	}
	if err := inRange("WindowSize", max(c.WindowSize, 0), 1, maxWindowSize); err != nil {
		return err
	}
	switch d := c.timeout(); {
	case c.AskTimeout && (d < minTimeout || d > maxTimeout):
		return fmt.Errorf("Timeout is %v, a server can be asked for %v to %v", d, minTimeout, maxTimeout)
	case c.Rollover != "" && c.Rollover != "0" && c.Rollover != "1":
		return fmt.Errorf(`%s is %q, it can be "0" or "1"`, "Rollover", c.Rollover)
	}
	return nil
}

// inRange says what is wrong with a setting that is neither 0, its default, nor in its
// range.
func inRange(name string, v, least, most int) error {
	if v != 0 && (v < least || v > most) {
		return fmt.Errorf("%s is %d, it can be %d to %d", name, v, least, most)
	}
	return nil
}

// limit is a setting with its default; negative is without limit.
func limit(v, preset int64) int64 {
	switch {
	case v == 0:
		return preset
	case v < 0:
		return math.MaxInt64
	}
	return v
}

// caps are what the server grants, before quirks.
func (s *Server) caps() caps {
	c := caps{blockSize: s.BlockSize, window: s.WindowSize}
	if c.blockSize == 0 {
		c.blockSize = maxBlockSize
	}
	if c.window == 0 {
		c.window = DefaultWindowSize
	}
	return c
}

// pace are the times of a transfer.
func (s *Server) pace() pace {
	p := pace{first: s.Timeout, least: s.MinTimeout, silence: s.Silence, total: s.MaxDuration}
	if p.first <= 0 {
		p.first = DefaultTimeout
	}
	if p.least <= 0 {
		p.least = DefaultMinTimeout
	}
	if p.silence <= 0 {
		p.silence = max(DefaultSilence, timeoutsOfSilence*p.first)
	}
	if p.total == 0 {
		p.total = DefaultMaxDuration
	}
	return p
}
