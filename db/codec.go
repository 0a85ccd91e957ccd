package db

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	codecRaw  = 0
	codecZstd = 1

	// maxChunk bounds what one stored chunk may unpack to.
	maxChunk = 64 << 20
)

// One encoder and one decoder serve the process, made when the first chunk is
// sealed or read: together they hold a few megabytes at most.
var (
	encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(128<<10))
	})
	decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(maxChunk), zstd.WithDecoderMaxWindow(8<<20))
	})
)

// pack compresses data if that makes it smaller.
func pack(data []byte) (codec int, packed []byte, err error) {
	enc, err := encoder()
	if err != nil {
		return 0, nil, err
	}
	packed = enc.EncodeAll(data, make([]byte, 0, len(data)/2+64))
	if len(packed) >= len(data) {
		return codecRaw, data, nil
	}
	return codecZstd, packed, nil
}

// unpack returns the n bytes that were packed.
func unpack(codec int, packed []byte, n int64) ([]byte, error) {
	if codec == codecRaw && int64(len(packed)) == n {
		return packed, nil
	}
	return unpackInto(make([]byte, 0, min(n, maxChunk)), codec, packed, n)
}

// unpackInto returns the n bytes that were packed, in buf where there is room.
func unpackInto(buf []byte, codec int, packed []byte, n int64) (data []byte, err error) {
	switch codec {
	case codecRaw:
		data = append(buf, packed...)
	case codecZstd:
		dec, err := decoder()
		if err != nil {
			return nil, err
		}
		if data, err = dec.DecodeAll(packed, buf); err != nil {
			return nil, fmt.Errorf("unpack output: %w", err)
		}
	default:
		return nil, fmt.Errorf("output is packed in an unknown way (%d)", codec)
	}
	if int64(len(data)) != n {
		return nil, fmt.Errorf("an output chunk has %d bytes instead of %d", len(data), n)
	}
	return data, nil
}
