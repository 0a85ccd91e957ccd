package db

import (
	"context"
	"database/sql"

	"belfry/scheduler"
)

// AppendOutput stores a chunk that begins where the output ends so far, as it
// is: it is small, and soon replaced by SealOutput.
func (t *tx) AppendOutput(ctx context.Context, executionID string, c scheduler.Chunk) error {
	if len(c.Data) == 0 {
		return nil
	}
	if err := checkChunk(&c); err != nil {
		return err
	}
	var seq int64
	last := lastLine(&c)
	found, err := get(ctx, t, `UPDATE executions SET output_bytes = $3, output_lines = $4
		WHERE id = $1 AND output_bytes = $2 RETURNING seq`,
		[]any{executionID, c.FirstByte, c.EndByte(), last}, &seq)
	if err != nil {
		return err
	}
	if !found {
		return t.misplaced(ctx, executionID, c.FirstByte)
	}
	t.wrote = true
	return t.insertChunk(ctx, seq, &c, last, codecRaw, c.Data)
}

// misplaced says why a chunk could not be appended.
func (t *tx) misplaced(ctx context.Context, id string, at int64) error {
	var size int64
	found, err := get(ctx, t, "SELECT output_bytes FROM executions WHERE id = $1", []any{id}, &size)
	if err == nil && !found {
		err = noExecution(id)
	}
	if err != nil {
		return err
	}
	return conflict("output cannot be stored at byte %d: it is %d bytes long", at, size)
}

func (t *tx) insertChunk(ctx context.Context, seq int64, c *scheduler.Chunk, last int64, codec int, packed []byte) error {
	_, err := t.exec(ctx, `INSERT INTO output_chunks (execution, first_byte, byte_count, first_line, last_line, codec, pieces, data)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		seq, c.FirstByte, len(c.Data), c.FirstLine, last, codec, encodePieces(c.Pieces), packed)
	return err
}

// SetProgress stores how far a run is.
func (t *tx) SetProgress(ctx context.Context, executionID string, percent float64) error {
	_, err := t.exec(ctx, "UPDATE executions SET progress = $2 WHERE id = $1", executionID, percent)
	return err
}

// SealOutput replaces the chunks within c's bytes by c, compressed. c may reach
// beyond what is stored: its end is then appended.
func (t *tx) SealOutput(ctx context.Context, executionID string, c scheduler.Chunk) error {
	if len(c.Data) == 0 {
		return nil
	}
	if err := checkChunk(&c); err != nil {
		return err
	}
	codec, packed, err := pack(c.Data)
	if err != nil {
		return translate(err)
	}
	var seq, size, cut int64
	found, err := get(ctx, t, "SELECT seq, output_bytes, cut_to FROM executions WHERE id = $1"+t.s.dialect.update,
		[]any{executionID}, &seq, &size, &cut)
	if err != nil {
		return err
	}
	if !found {
		return noExecution(executionID)
	}
	var replaced int64
	err = each(ctx, t, "DELETE FROM output_chunks WHERE execution = $1 AND first_byte >= $2 AND first_byte < $3 RETURNING byte_count",
		[]any{seq, c.FirstByte, c.EndByte()}, func(rows *sql.Rows) error {
			var n int64
			err := rows.Scan(&n)
			replaced += n
			return err
		})
	if err != nil {
		return err
	}
	t.wrote = true
	if c.FirstByte > size || replaced != min(c.EndByte(), size)-c.FirstByte {
		return conflict("output from byte %d to %d cannot be sealed: the stored chunks do not begin and end there",
			c.FirstByte, c.EndByte())
	}
	last := lastLine(&c)
	if c.FirstByte == cut {
		skipEmpty(&c) // the line that they end was cut out
	}
	if c.EndByte() > size {
		if _, err := t.exec(ctx, "UPDATE executions SET output_bytes = $2, output_lines = $3 WHERE seq = $1",
			seq, c.EndByte(), last); err != nil {
			return err
		}
	}
	return t.insertChunk(ctx, seq, &c, last, codec, packed)
}
