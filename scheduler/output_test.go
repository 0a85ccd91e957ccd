package scheduler_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"belfry/scheduler"
)

// cutOutput is an output of which a part was cut out.
type cutOutput struct {
	scheduler.OutputStore
	head, tail string
	gap        scheduler.Gap
}

func (o cutOutput) OutputGap(context.Context, string) (scheduler.Gap, error) { return o.gap, nil }

// OutputAt returns at most four bytes, to have several parts.
func (o cutOutput) OutputAt(_ context.Context, _ string, from int64, _ int) (scheduler.Chunk, error) {
	if from < int64(len(o.head)) {
		return scheduler.Chunk{FirstByte: from, Data: []byte(o.head[from:min(from+4, int64(len(o.head)))])}, nil
	}
	start := max(o.gap.To, int64(len(o.head)))
	rest := max(from-start, 0)
	if rest >= int64(len(o.tail)) {
		return scheduler.Chunk{}, nil
	}
	return scheduler.Chunk{FirstByte: start + rest, Data: []byte(o.tail[rest:min(rest+4, int64(len(o.tail)))])}, nil
}

func TestEachPart(t *testing.T) {
	gap := scheduler.Gap{Cut: scheduler.Cut{From: 6, To: 100}, FirstLine: 3, LastLine: 9}
	for name, c := range map[string]struct {
		output cutOutput
		want   string
	}{
		"nothing":    {cutOutput{}, ""},
		"whole":      {cutOutput{head: "abcdef"}, "abcdef"},
		"middle":     {cutOutput{head: "abcdef", tail: "xyz", gap: gap}, "abcdef<94>xyz"},
		"end":        {cutOutput{head: "abcdef", gap: gap}, "abcdef<94>"},
		"begin":      {cutOutput{tail: "xyzuv", gap: scheduler.Gap{Cut: scheduler.Cut{To: 100}}}, "<100>xyzuv"},
		"everything": {cutOutput{gap: scheduler.Gap{Cut: scheduler.Cut{To: 100}}}, "<100>"},
	} {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			err := scheduler.EachPart(t.Context(), c.output, "x", func(part scheduler.Chunk, cut scheduler.Gap) error {
				if !cut.IsZero() {
					fmt.Fprintf(&got, "<%d>", cut.To-cut.From)
				}
				got.Write(part.Data)
				return nil
			})
			if err != nil || got.String() != c.want {
				t.Errorf("got %q, %v; want %q", &got, err, c.want)
			}
		})
	}
}
