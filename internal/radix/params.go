package radix

// fixedParams is how many values a Params holds without allocating.
const fixedParams = 16

// Params receives the values of a pattern's wildcards as positions in the path
// that was looked up, still escaped. The zero value is ready, and may be used for
// one lookup after another. Not safe for concurrent use.
type Params struct {
	n     int
	exact bool
	fixed [fixedParams]span
	more  []span // those after the first fixedParams
}

type span struct{ start, end uint32 }

// Len returns the number of values: that of the matched pattern's Names.
func (p *Params) Len() int { return p.n }

// At returns the bounds of the i-th value: path[start:end].
func (p *Params) At(i int) (start, end int) {
	s := p.at(i)
	return int(s.start), int(s.end)
}

// Exact reports whether the pattern accounts for the whole path: it has no
// wildcard for the rest, or that one matched nothing ("/a/" the path "/a/").
func (p *Params) Exact() bool { return p.exact }

func (p *Params) at(i int) *span {
	if i >= p.n {
		panic("radix: params: index out of range")
	}
	if i < fixedParams {
		return &p.fixed[i]
	}
	return &p.more[i-fixedParams]
}

func (p *Params) push(start, end int) {
	s := span{uint32(start), uint32(end)}
	if p.n < fixedParams {
		p.fixed[p.n] = s
	} else {
		p.more = append(p.more[:p.n-fixedParams], s)
	}
	p.n++
}

// relocate moves the values from the canonical form of a path to the path
// itself. Both have the same slashes, which is all that bounds a value.
func relocate[S Text](p *Params, canonical []byte, path S) {
	from, to := 0, 0 // corresponding positions, just after the same slash
	for i := range p.n {
		s := p.at(i)
		for from < int(s.start) {
			if canonical[from] == '/' {
				to = segmentEnd(path, to) + 1
			}
			from++
		}
		toEnd := segmentEnd(path, to)
		if int(s.end) == len(canonical) {
			toEnd = len(path)
		}
		s.start, s.end = uint32(to), uint32(toEnd)
	}
}
