package keystore

import (
	"fmt"
	"testing"
)

// A share of a 2-of-3 ECDSA key is about 20 KB.
func benchRecord(i int) Record {
	r := aRecord(fmt.Sprint(i % 64))
	r.Payload = make([]byte, 20<<10)
	return r
}

func BenchmarkPut(b *testing.B) {
	s := openAt(b, b.TempDir())
	i := 0
	for b.Loop() {
		i++
		put(b, s, benchRecord(i))
	}
}

func BenchmarkPutParallel(b *testing.B) {
	s := openAt(b, b.TempDir())
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if err := s.Put(b.Context(), benchRecord(i)); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	s := openAt(b, b.TempDir())
	put(b, s, benchRecord(0))
	for b.Loop() {
		if _, err := s.Get(b.Context(), kindShare, "0"); err != nil {
			b.Fatal(err)
		}
	}
}
