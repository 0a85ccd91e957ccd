package runner

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"belfry/scheduler"
)

// book is a store of output that follows the contract of scheduler.Tx literally.
type book struct {
	chunks []scheduler.Chunk
	sealed map[int64]bool
	cut    scheduler.Cut
	most   int // bytes stored at any time
}

func (b *book) end() int64 {
	if len(b.chunks) == 0 {
		return b.cut.To
	}
	return max(b.chunks[len(b.chunks)-1].EndByte(), b.cut.To)
}

func (b *book) apply(t interface{ Fatalf(string, ...any) }, out scheduler.Output) {
	for _, c := range out.Seal {
		at := len(b.chunks)
		for at > 0 && b.chunks[at-1].FirstByte >= c.FirstByte {
			at--
		}
		var old []byte
		for _, x := range b.chunks[at:] {
			if b.sealed[x.FirstByte] {
				t.Fatalf("the sealed chunk at %d is sealed again", x.FirstByte)
			}
			old = append(old, x.Data...)
		}
		b.chunks = b.chunks[:at]
		if c.FirstByte != b.end() {
			t.Fatalf("a seal begins at %d, the chunk before ends at %d", c.FirstByte, b.end())
		}
		if !bytes.HasPrefix(c.Data, old) {
			t.Fatalf("a seal changes bytes that were stored")
		}
		b.chunks = append(b.chunks, c)
		b.sealed[c.FirstByte] = true
	}
	if out.Append != nil {
		if out.Append.FirstByte != b.end() {
			t.Fatalf("an append at %d, the output ends at %d", out.Append.FirstByte, b.end())
		}
		b.chunks = append(b.chunks, *out.Append)
	}
	b.most = max(b.most, b.bytes())
	if out.Cut.To > 0 {
		if tail := b.chunks[len(b.chunks)-1]; out.Cut.To > tail.FirstByte && !b.sealed[tail.FirstByte] {
			t.Fatalf("%+v reaches into what is to be sealed, from %d", out.Cut, tail.FirstByte)
		}
		b.cutOut(out.Cut)
	}
}

func (b *book) bytes() (n int) {
	for _, c := range b.chunks {
		n += len(c.Data)
	}
	return n
}

// cutOut removes whole lines between two bytes.
func (b *book) cutOut(cut scheduler.Cut) {
	from, to := int64(-1), int64(0)
	at, open := int64(0), false
	var starts []int64
	for _, c := range b.chunks {
		at = c.FirstByte
		for _, p := range c.Pieces {
			if !open && p.Len > 0 {
				starts = append(starts, at)
			}
			if p.Len > 0 || !p.Open {
				open = p.Open
			}
			at += int64(p.Len)
		}
	}
	for _, start := range append(starts, at) {
		if from < 0 && start >= cut.From {
			from = start
		}
		if start <= cut.To {
			to = start
		}
	}
	if b.cut.To > 0 {
		from = b.cut.From
	}
	if to <= max(from, b.cut.To) {
		return
	}
	b.cut = scheduler.Cut{From: from, To: to}
	var kept []scheduler.Chunk
	for _, c := range b.chunks {
		if c.FirstByte < from {
			h := c
			h.Data = c.Data[:min(int64(len(c.Data)), from-c.FirstByte)]
			kept = append(kept, h)
		}
		if c.EndByte() > to {
			h := c
			skip := max(0, to-c.FirstByte)
			h.FirstByte, h.Data = c.FirstByte+skip, c.Data[skip:]
			kept = append(kept, h)
			b.sealed[h.FirstByte] = b.sealed[c.FirstByte]
		}
	}
	b.chunks = kept
}

type line struct {
	stream scheduler.Stream
	text   string
}

// lines reads the book by pieces, and checks the chunks' line numbers.
func (b *book) lines(t interface{ Fatalf(string, ...any) }) (lines []line, all string) {
	open := false
	next := int64(1)
	for _, c := range b.chunks {
		if c.FirstLine != next {
			t.Fatalf("the chunk at byte %d says line %d, want %d", c.FirstByte, c.FirstLine, next)
		}
		at := 0
		for _, p := range c.Pieces {
			if !open {
				lines = append(lines, line{stream: p.Stream})
			} else if lines[len(lines)-1].stream != p.Stream {
				t.Fatalf("a line of two streams")
			}
			lines[len(lines)-1].text += string(c.Data[at : at+p.Len])
			at += p.Len
			open = p.Open
		}
		if at != len(c.Data) {
			t.Fatalf("pieces of %d bytes over %d", at, len(c.Data))
		}
		next = c.EndLine()
		all += string(c.Data)
	}
	return lines, all
}

func TestOutputIsCutIntoLinesWithoutLosingAByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1_700_000_000, 0)
		s := newSink(func() time.Time { return now }, &scheduler.Job{})
		b := &book{sealed: map[int64]bool{}}
		var want []line
		var all strings.Builder
		open := false
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				out, _ := s.output(false)
				b.apply(t, out)
			case 1:
				now = now.Add(time.Millisecond)
			default:
				stream := scheduler.Stream(rapid.IntRange(0, 2).Draw(t, "stream"))
				text := rapid.StringMatching(`[a-c\n]{1,12}`).Draw(t, "text")
				if rapid.IntRange(0, 9).Draw(t, "long") == 0 {
					text = strings.Repeat(text, 2500)
				}
				s.Write(stream, []byte(text))
				all.WriteString(text)
				for part := range strings.SplitAfterSeq(text, "\n") {
					if part == "" {
						continue
					}
					if open && want[len(want)-1].stream == stream {
						want[len(want)-1].text += part
					} else {
						want = append(want, line{stream, part})
					}
					open = !strings.HasSuffix(part, "\n")
				}
			}
		}
		_, lines := s.size()
		s.close()
		out, end := s.output(true)
		b.apply(t, out)
		got, bytes := b.lines(t)
		if bytes != all.String() || end != int64(len(bytes)) {
			t.Fatalf("%d bytes stored, %d written, end %d", len(bytes), all.Len(), end)
		}
		if len(got) != len(want) || int64(len(want)) != lines {
			t.Fatalf("%d lines stored, %d written, %d told", len(got), len(want), lines)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("line %d is %.60q, want %.60q", i+1, got[i].text, want[i].text)
			}
		}
		for _, c := range b.chunks {
			if len(c.Data) > 2*sealAt+maxLine {
				t.Fatalf("a chunk of %d bytes", len(c.Data))
			}
		}
	})
}

func TestLongLineIsSplitAtTheCap(t *testing.T) {
	s := newSink(time.Now, &scheduler.Job{})
	go func() {
		s.Write(scheduler.Stdout, bytes.Repeat([]byte("x"), 2*maxLine+10))
		s.close()
	}()
	b := &book{sealed: map[int64]bool{}}
	for !s.isClosed() {
		<-s.ready
		out, _ := s.output(false)
		b.apply(t, out)
	}
	out, _ := s.output(true)
	b.apply(t, out)
	lines, _ := b.lines(t)
	if len(lines) != 3 || len(lines[0].text) != maxLine || len(lines[2].text) != 10 {
		t.Fatalf("%d lines", len(lines))
	}
}

func TestWriterWaitsForRoomAndDropsOnlyWhileTheStoreRefuses(t *testing.T) {
	s := newSink(time.Now, &scheduler.Job{})
	s.Write(scheduler.Stdout, bytes.Repeat([]byte("a\n"), maxPending/2))
	s.setFailing(true)
	s.Write(scheduler.Stdout, []byte("gone\n"))
	s.setFailing(false)
	waiting := make(chan struct{})
	go func() {
		s.Write(scheduler.Stdout, []byte("kept\n"))
		close(waiting)
	}()
	out, _ := s.output(false)
	<-waiting
	b := &book{sealed: map[int64]bool{}}
	b.apply(t, out)
	s.close()
	out, _ = s.output(true)
	b.apply(t, out)
	_, all := b.lines(t)
	if strings.Contains(all, "gone") || !strings.Contains(all, "[5 bytes of output were lost here") || !strings.HasSuffix(all, "kept\n") {
		t.Fatalf("the output ends with %q", all[len(all)-100:])
	}
}

// TestOutputIsCutToItsLimit: the first and the last bytes are kept, and no more is
// stored at any time than the limit and a bounded rest.
func TestOutputIsCutToItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := scheduler.OutputLimit{
			Head: int64(rapid.SampledFrom([]int{0, 1, 1000, 50_000}).Draw(t, "head")),
			Tail: int64(rapid.SampledFrom([]int{0, 1, 2000, 300_000}).Draw(t, "tail")),
		}
		if limit == (scheduler.OutputLimit{}) {
			limit.Tail = 1
		}
		s := newSink(time.Now, &scheduler.Job{Draft: scheduler.Draft{OutputLimit: limit}})
		b := &book{sealed: map[int64]bool{}}
		var all bytes.Buffer
		size := rapid.SampledFrom([]int{0, 100, 3000, 60_000, 1 << 20, 4 << 20}).Draw(t, "size")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for i := 0; all.Len() < size; i++ {
			text := fmt.Appendf(nil, "line %d of %d\n", i, r.Uint32())
			if r.IntN(4) == 0 {
				text = bytes.Repeat(text[:len(text)-1], 1+r.IntN(6000))
				text = append(text, "\n"[:r.IntN(2)]...)
			}
			s.Write(scheduler.Stream(r.IntN(2)), text)
			all.Write(text)
			if r.IntN(3) == 0 || all.Len() > maxPending/2 {
				out, _ := s.output(false)
				b.apply(t, out)
			}
		}
		s.close()
		out, end := s.output(true)
		b.apply(t, out)
		text := all.Bytes()
		if end != int64(len(text)) {
			t.Fatalf("%d bytes, written %d", end, len(text))
		}
		var head, tail []byte
		for _, c := range b.chunks {
			if !bytes.Equal(c.Data, text[c.FirstByte:c.EndByte()]) {
				t.Fatalf("the bytes at %d are not what was written", c.FirstByte)
			}
			if b.cut.To > 0 && c.FirstByte >= b.cut.To {
				tail = append(tail, c.Data...)
			} else {
				head = append(head, c.Data...)
			}
		}
		line := int(max(limit.Head+limit.Tail, minLine))
		switch {
		case b.cut.To == 0:
			if !bytes.Equal(head, text) {
				t.Fatalf("%d bytes of %d, and nothing was cut out", len(head), len(text))
			}
			if len(text) > int(limit.Head+limit.Tail)+2*line {
				t.Fatalf("nothing was cut out of %d bytes", len(text))
			}
		case len(text) <= int(limit.Head+limit.Tail):
			t.Fatalf("%+v was cut out of only %d bytes", b.cut, len(text))
		case len(head) < int(limit.Head) || len(tail) < int(limit.Tail):
			t.Fatalf("%d and %d bytes are kept, want %+v", len(head), len(tail), limit)
		case len(head) > int(limit.Head)+line || len(tail) > int(limit.Tail)+line:
			t.Fatalf("%d and %d bytes are kept, of %+v and lines of %d", len(head), len(tail), limit, line)
		}
		if most := int(limit.Head+limit.Tail) + 2*line + minSlack + 2*maxPending; b.most > most {
			t.Fatalf("%d bytes were stored at a time, want at most %d", b.most, most)
		}
	})
}
