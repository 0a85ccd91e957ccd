package notify

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"belfry/scheduler"
)

// saver writes the facts about an execution and its output into files.
type saver struct{}

type saveConfig struct {
	Folder string `json:"folder"`
}

func (saver) Secrets() []string { return nil }
func (saver) Targets() []string { return nil }

func (saver) Check(config json.RawMessage) error {
	var c saveConfig
	if err := decode(config, &c); err != nil {
		return err
	}
	if c.Folder != "" && !filepath.IsAbs(c.Folder) {
		return scheduler.Invalid("folder", "must be an absolute path")
	}
	return plainText("folder", c.Folder)
}

func (saver) Complete(config json.RawMessage) bool {
	var c saveConfig
	return decode(config, &c) == nil && c.Folder != ""
}

// Send writes three files, the one with the facts last: where it is, the others
// are complete. Sent again, it writes the same files again.
func (saver) Send(ctx context.Context, n scheduler.Notification) error {
	if err := (saver{}).Check(n.Config); err != nil {
		return err
	}
	var c saveConfig
	if err := decode(n.Config, &c); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Folder, 0o750); err != nil {
		return err
	}
	base := filepath.Join(c.Folder, fileName(&n.Execution))
	err := writeBeside(n.Delivery.ID, []string{base + ".stdout.log", base + ".stderr.log"}, func(w []io.Writer) error {
		return n.Output.Each(ctx, func(chunk scheduler.Chunk, gap scheduler.Gap) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return splitStreams(chunk, gap, w)
		})
	})
	if err != nil {
		return err
	}
	return writeBeside(n.Delivery.ID, []string{base + ".json"}, func(w []io.Writer) error {
		e := json.NewEncoder(w[0])
		e.SetIndent("", "  ")
		return e.Encode(factsOf(&n.Execution))
	})
}

// splitStreams writes a chunk's standard output to w[0], and the rest to w[1].
// What was cut out was of either: both say so.
func splitStreams(chunk scheduler.Chunk, gap scheduler.Gap, w []io.Writer) error {
	if !gap.IsZero() {
		if _, err := io.WriteString(io.MultiWriter(w...), gap.String()+"\n"); err != nil {
			return err
		}
	}
	from := 0
	for _, p := range chunk.Pieces {
		to := w[1]
		if p.Stream == scheduler.Stdout {
			to = w[0]
		}
		if _, err := to.Write(chunk.Data[from : from+p.Len]); err != nil {
			return err
		}
		from += p.Len
	}
	return nil
}

// writeBeside writes files under other names, and renames them when all are
// complete. own tells the names of two writers apart.
func writeBeside(own string, paths []string, write func([]io.Writer) error) (err error) {
	var files []*os.File
	var buffers []*bufio.Writer
	var writers []io.Writer
	defer func() {
		for _, f := range files {
			_ = f.Close()
			_ = os.Remove(f.Name()) // nothing is there when it was renamed
		}
	}()
	for _, path := range paths {
		f, err := createBeside(path, own)
		if err != nil {
			return err
		}
		files = append(files, f)
		b := bufio.NewWriterSize(f, 64<<10)
		buffers, writers = append(buffers, b), append(writers, b)
	}
	if err := write(writers); err != nil {
		return err
	}
	for i, f := range files {
		if err := firstError(buffers[i].Flush(), f.Chmod(0o640), f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	for i, f := range files {
		if err := os.Rename(f.Name(), paths[i]); err != nil {
			return err
		}
	}
	return nil
}

// createBeside makes a new file in path's folder. What an attempt left there that
// the server did not survive is replaced.
func createBeside(path, own string) (*os.File, error) {
	folder, name := filepath.Split(path)
	beside := filepath.Join(folder, ".belfry-"+safeName(own)+filepath.Ext(strings.TrimSuffix(name, ".log"))+".tmp")
	if err := os.Remove(beside); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
}

// fileName is the same for one execution always.
func fileName(e *scheduler.Execution) string {
	when := e.StartedAt
	if when.IsZero() {
		when = e.QueuedAt
	}
	return when.UTC().Format("20060102T150405Z") + "_" + safeName(e.JobName) + "_" + safeName(e.ID)
}

// safeName makes text a part of a file's name that leads nowhere else.
func safeName(text string) string {
	const most = 80 // bytes
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(text, "_") {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r) {
			r = '_'
		}
		if b.Len()+len(string(r)) > most {
			break
		}
		b.WriteRune(r)
	}
	return strings.ReplaceAll(b.String(), "..", "__")
}
