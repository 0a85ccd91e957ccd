package db

import (
	"context"
	"slices"

	"belfry/scheduler"
)

// CutOutput deletes whole lines between two bytes. The chunks that hold an end of
// the gap are stored again without what is in it.
func (t *tx) CutOutput(ctx context.Context, executionID string, from, to int64) error {
	var o outputRow
	found, err := get(ctx, t, "SELECT seq, output_bytes, output_lines, cut_from, cut_to FROM executions WHERE id = $1"+t.s.dialect.update,
		[]any{executionID}, &o.seq, &o.bytes, &o.lines, &o.cut.From, &o.cut.To)
	if err != nil {
		return err
	}
	if !found {
		return noExecution(executionID)
	}
	r := &outputReader{ctx: ctx, q: t, seq: o.seq}
	begin := o.cut.To // of what is deleted now
	if begin > 0 {
		from = o.cut.From
	} else if from, err = r.lineEnd(from, &o); err != nil {
		return err
	}
	begin = max(begin, from)
	if to, err = r.lineBegin(to, &o); err != nil || to <= begin {
		return err
	}
	again, low, high, err := r.edges(&o, begin, to)
	if err != nil {
		return err
	}
	t.wrote = true
	if _, err := t.exec(ctx, "DELETE FROM output_chunks WHERE execution = $1 AND first_byte >= $2 AND first_byte < $3", o.seq, low, high); err != nil {
		return err
	}
	for i := range again {
		codec, packed, err := pack(again[i].Data)
		if err != nil {
			return translate(err)
		}
		if err := t.insertChunk(ctx, o.seq, &again[i], lastLine(&again[i]), codec, packed); err != nil {
			return err
		}
	}
	_, err = t.exec(ctx, "UPDATE executions SET cut_from = $2, cut_to = $3 WHERE seq = $1", o.seq, from, to)
	return err
}

// lineBegin returns where the line of a byte begins; behind the end, the end.
func (r *outputReader) lineBegin(at int64, o *outputRow) (int64, error) {
	if at >= o.bytes {
		return o.bytes, nil
	}
	line, err := r.lineOf(at)
	if err != nil {
		return 0, err
	}
	c, err := r.fromLine(line)
	return c.FirstByte, err
}

// lineEnd returns where the line of the byte before at ends.
func (r *outputReader) lineEnd(at int64, o *outputRow) (int64, error) {
	if at <= 0 || at >= o.bytes {
		return max(min(at, o.bytes), 0), nil
	}
	line, err := r.lineOf(at - 1)
	if err != nil || line >= o.lines {
		return o.bytes, err
	}
	c, err := r.fromLine(line + 1)
	return c.FirstByte, err
}

func (r *outputReader) lineOf(at int64) (int64, error) {
	c, err := r.chunk("first_byte <= $2 ORDER BY first_byte DESC", at)
	if err == nil {
		skipBytes(&c, int(min(at-c.FirstByte, int64(len(c.Data)))))
		skipEmpty(&c)
	}
	return c.FirstLine, err
}

// edges returns the chunks to store in place of those from byte low to byte high,
// so that everything between begin and to is gone and both are ends of lines.
func (r *outputReader) edges(o *outputRow, begin, to int64) (again []scheduler.Chunk, low, high int64, err error) {
	low, high = begin, to
	if begin > 0 && o.cut.To == 0 {
		c, err := r.chunk("first_byte < $2 ORDER BY first_byte DESC", begin)
		if err != nil {
			return nil, 0, 0, err
		}
		whole := c.EndByte() == begin
		keepBytes(&c, int(begin-c.FirstByte))
		if last := &c.Pieces[len(c.Pieces)-1]; !whole || last.Open {
			last.Open = false // what ends its line may be in the gap
			again, low = append(again, c), c.FirstByte
		}
	}
	if to >= o.bytes {
		return again, low, high, nil
	}
	c, err := r.chunk("first_byte <= $2 ORDER BY first_byte DESC", to)
	if err != nil {
		return nil, 0, 0, err
	}
	c.Pieces = slices.Clone(c.Pieces)
	if c.FirstByte < to || c.Pieces[0].Len == 0 {
		high = max(to, c.FirstByte+1)
		skipBytes(&c, int(to-c.FirstByte))
		skipEmpty(&c)
		again = append(again, c)
	}
	return again, low, high, nil
}
