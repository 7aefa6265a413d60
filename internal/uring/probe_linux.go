package uring

// Probe says which operations a kernel knows. Some abilities have no operation
// of their own and came with one that has: multishot accept with OpSocket,
// multishot recv with OpSendZC, [SQECQESkipSuccess] and others with [Features].
type Probe struct{ ops [256]bool }

// Supports reports whether the kernel knows op.
func (p *Probe) Supports(op Op) bool { return p.ops[op] }

// probeOps is struct io_uring_probe.
type probeOps struct {
	_, n uint8 // the last operation; how many follow
	_    uint16
	_    [3]uint32
	ops  [256]struct {
		op, _ uint8
		flags uint16
		_     uint32
	}
}

const opSupported = 1 << 0

// Probe asks the kernel which operations it knows.
func (r *Ring) Probe() (*Probe, error) {
	if r.closed {
		return nil, ErrClosed
	}
	answer := new(probeOps)
	if err := register(r.kernel, registerProbe, answer, uint32(len(answer.ops))); err != nil {
		return nil, wrap("probe", err)
	}
	p := new(Probe)
	for _, o := range answer.ops[:answer.n] {
		p.ops[o.op] = o.flags&opSupported != 0
	}
	return p, nil
}
