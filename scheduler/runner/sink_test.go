package runner

import (
	"bytes"
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
}

func (b *book) end() int64 {
	if len(b.chunks) == 0 {
		return 0
	}
	return b.chunks[len(b.chunks)-1].EndByte()
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
		s := newSink(func() time.Time { return now })
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
	s := newSink(time.Now)
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
	s := newSink(time.Now)
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
