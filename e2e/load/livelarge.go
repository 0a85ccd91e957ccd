package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

// A log of a hundred megabytes.
const (
	largeLines = 1_500_000
	largeBytes = 69 // of a line
	largeLine  = "2026-11-21T09:00:00Z INFO request %07.0f served in 12 ms by node-42"
)

// liveLarge measures what the live view asks of the server for a log of 100 MB:
// its page, lines in the middle, searches and downloads, and the memory for it.
func liveLarge(ctx context.Context, b *bench) error {
	s, err := b.serve(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	lines := b.pick(largeLines, largeLines/20)
	id, err := s.start(ctx, "large", fmt.Sprintf("seq -f '%s' %d", largeLine, lines))
	if err != nil {
		return err
	}
	e, err := s.finished(ctx, id)
	if err != nil {
		return err
	}
	r := &b.results
	took := e.FinishedAt.Sub(e.StartedAt)
	size := int64(lines) * largeBytes
	r.must("the log", fmt.Sprintf("%d lines, %s of %s, written in %s", e.Lines, mb(e.Bytes), mb(size), seconds(took)), "every byte", e.Bytes == size && e.Lines == int64(lines))
	before := s.settled(ctx, time.Duration(b.pick(9, 1))*time.Second)
	path := "/executions/" + id
	peak, err := s.watched(ctx, func() error {
		return errors.Join(largePage(ctx, b, s, path), largeJumps(ctx, b, s, path, lines), largeSearches(ctx, b, s, path, lines))
	})
	if err != nil {
		return err
	}
	r.check("memory for the first viewer, at most", fmt.Sprintf("%s (%s before)", mb(peak-before.pss), mb(before.pss)), "8 MB", peak-before.pss <= 8<<20)
	// The first one also fills the caches of the database, which all share.
	most, err := s.watched(ctx, func() error { return largeCrowd(ctx, s, path, lines) })
	if err != nil {
		return err
	}
	each := (max(most, peak) - before.pss) / largeViewers
	r.check(fmt.Sprintf("memory for each of %d viewers at once", largeViewers), mb(each), "8 MB", each <= 8<<20)
	return largeDownloads(ctx, b, s, path)
}

// largeViewers look at the log at the same time.
const largeViewers = 8

// largeCrowd lets each viewer open the page, jump about in it, and search for what nobody else searches for.
func largeCrowd(ctx context.Context, s *server, path string, lines int) error {
	var viewers errgroup.Group
	for i := range largeViewers {
		viewers.Go(func() error {
			r := rand.New(rand.NewPCG(3, uint64(i)))
			asked := []string{path}
			for range 50 {
				asked = append(asked, fmt.Sprintf("%s/lines?from=%d&count=1000", path, 1+r.IntN(lines)))
			}
			for _, one := range asked {
				if _, _, _, err := s.timed(ctx, one, "text/html", ""); err != nil {
					return err
				}
			}
			for _, expr := range []string{fmt.Sprintf("%d99", i), fmt.Sprintf("no+such+%d", i)} {
				if _, _, _, err := s.timed(ctx, path+"/search?count=100&q="+expr, "application/json", ""); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return viewers.Wait()
}

// watched returns the most memory that the server had during fn.
func (s *server) watched(ctx context.Context, fn func() error) (peak int64, err error) {
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = poll(ctx, 20*time.Millisecond, func() (bool, error) {
			peak = max(peak, s.memory().pss)
			return false, nil
		})
	}()
	err = fn()
	stop()
	<-done
	return peak, err
}

// timed asks and returns when the first byte and the last came.
func (s *server) timed(ctx context.Context, path, accept string, ranges string) (first, last time.Duration, n int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+path, nil)
	if err != nil {
		return 0, 0, 0, err
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("Authorization", "Bearer "+s.token)
	if ranges != "" {
		req.Header.Set("Range", ranges)
	}
	begin := time.Now()
	resp, err := s.http.Do(req)
	if err != nil {
		return 0, 0, 0, err
	}
	defer resp.Body.Close()
	var one [1]byte
	if _, err := io.ReadFull(resp.Body, one[:]); err != nil {
		return 0, 0, 0, err
	}
	first = time.Since(begin)
	n, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = errors.New(path + ": " + resp.Status)
	}
	return first, time.Since(begin), n + 1, err
}

func largePage(ctx context.Context, b *bench, s *server, path string) error {
	var firsts, lasts times
	for range 20 {
		first, last, _, err := s.timed(ctx, path, "text/html", "")
		if err != nil {
			return err
		}
		firsts, lasts = append(firsts, first), append(lasts, last)
	}
	b.results.check("the page's first byte", firsts.String(), "100 ms", firsts.at(1) <= 100*time.Millisecond)
	b.results.note("the whole page, with the end of the log", lasts.String())
	return nil
}

func largeJumps(ctx context.Context, b *bench, s *server, path string, lines int) error {
	var jumps times
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		_, last, _, err := s.timed(ctx, fmt.Sprintf("%s/lines?from=%d&count=1000", path, 1+r.IntN(lines)), "text/html", "")
		if err != nil {
			return err
		}
		jumps = append(jumps, last)
	}
	b.results.check("1,000 lines from any place", jumps.String(), "300 ms", jumps.at(0.99) <= 300*time.Millisecond)
	return nil
}

// largeSearches looks for what is there once, near the end; for what is in one line
// of a hundred; for what has no word in it; and for what every line has.
func largeSearches(ctx context.Context, b *bench, s *server, path string, lines int) error {
	rare := fmt.Sprintf("request 0*%d ", lines-1000)
	for _, q := range []string{rare, `REQUEST \d+99 `, `[0-9]{5}77\b.*[aeiou]`, "node"} {
		search := path + "/search?q=" + url.QueryEscape(q)
		_, first, _, err := s.timed(ctx, search+"&count=1&total=false", "application/json", "")
		if err != nil {
			return err
		}
		var found struct{ Total int }
		begin, worked := time.Now(), cpuNow(s)
		if err := s.call(ctx, http.MethodGet, search+"&count=0", nil, &found); err != nil {
			return err
		}
		counted, used := time.Since(begin), cpuNow(s)-worked
		_, next, _, err := s.timed(ctx, search+fmt.Sprintf("&count=1&from=%d", lines/2), "application/json", "")
		if err != nil {
			return err
		}
		// The first hit is what one sees: from the top of the view, which is the end of the log.
		_, back, _, err := s.timed(ctx, path+"/search?q="+url.QueryEscape(q)+"&count=1&total=false&back=true", "application/json", "")
		if err != nil {
			return err
		}
		b.results.check("search "+q+": first hit", fmt.Sprintf("%s from the beginning, %s from the end", ms(first), ms(back)), "500 ms",
			min(first, back) <= 500*time.Millisecond)
		b.results.check("all that match", fmt.Sprintf("%d in %s, %s of CPU; the next one after that in %s", found.Total, ms(counted), ms(used), ms(next)), "2 s", counted <= 2*time.Second)
	}
	return nil
}

func largeDownloads(ctx context.Context, b *bench, s *server, path string) error {
	for _, as := range []string{"raw", "text", "gzip"} {
		_, took, n, err := s.timed(ctx, path+"/output?as="+as, "*/*", "")
		if err != nil {
			return err
		}
		_, ranged, _, err := s.timed(ctx, path+"/output?as="+as, "*/*", fmt.Sprintf("bytes=%d-%d", n/2, n/2+99_999))
		if err != nil {
			return err
		}
		b.results.note("download "+as, fmt.Sprintf("%s in %s; 100 kB from its middle in %s", mb(n), seconds(took), ms(ranged)))
	}
	return nil
}

// selfPath is this program, for jobs that run it.
func selfPath() (string, error) { return os.Executable() }
