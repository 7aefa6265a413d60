package tftp

// rollover says which number follows block 65535. RFC 1350 ends there; 0 is
// what nearly all do, some go on with 1.
//
// Blocks are counted from 1 without end; the wire has 16 bits of that.
type rollover uint8

const (
	rolloverUnknown rollover = iota // a receiver finds out; a sender takes 0
	rolloverZero
	rolloverOne
)

const lastNumber = 65535

func rolloverOf(n int64) (rollover, bool) {
	switch n {
	case 0:
		return rolloverZero, true
	case 1:
		return rolloverOne, true
	}
	return rolloverUnknown, false
}

// wire is the number of a block in a packet.
func (r rollover) wire(block uint64) uint16 {
	if r == rolloverOne && block > 0 {
		return uint16((block-1)%lastNumber + 1)
	}
	return uint16(block)
}

// nearest is the block with this number that is nearest to ref; ok is false
// when no block has it. A block before the first is returned as 0.
func (r rollover) nearest(number uint16, ref uint64) (block uint64, ok bool) {
	if r != rolloverOne {
		b := int64(ref) + int64(int16(number-uint16(ref)))
		return uint64(max(b, 0)), true
	}
	if number == 0 {
		return 0, ref <= lastNumber/2
	}
	d := (int64(number) - int64(r.wire(max(ref, 1)))) % lastNumber
	if d > lastNumber/2 {
		d -= lastNumber
	} else if d < -lastNumber/2 {
		d += lastNumber
	}
	return uint64(max(int64(max(ref, 1))+d, 0)), true
}
