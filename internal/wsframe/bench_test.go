package wsframe

import (
	"fmt"
	"testing"
)

func BenchmarkMask(b *testing.B) {
	for _, n := range []int{16, 64, 1 << 10, 16 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			buf := make([]byte, n)
			key := Key{1, 2, 3, 4}
			b.SetBytes(int64(n))
			for b.Loop() {
				key = Mask(buf, key)
			}
		})
	}
	b.Run("bytewise-1024", func(b *testing.B) {
		buf := make([]byte, 1<<10)
		b.SetBytes(1 << 10)
		for b.Loop() {
			maskBytewise(buf, Key{1, 2, 3, 4}, 0)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	for _, n := range []int{64, 1 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in := AppendHeader(nil, Header{Length: int64(n), Opcode: Text, Fin: true, Masked: true, Key: Key{1, 2, 3, 4}})
			in = append(in, make([]byte, n)...)
			r := Reader{Server: true}
			b.ReportAllocs()
			for b.Loop() {
				f, _, err := r.Next(in)
				if err != nil || !f.Last {
					b.Fatal(f, err)
				}
			}
		})
	}
}

func BenchmarkAppendHeader(b *testing.B) {
	dst := make([]byte, 0, MaxHeader)
	for b.Loop() {
		dst = AppendHeader(dst[:0], Header{Length: 1024, Opcode: Binary, Fin: true})
	}
}
