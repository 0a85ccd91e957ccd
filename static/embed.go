// Package static holds the files that pages load. Each is served under a name
// that contains a hash of its content, so browsers keep it for ever and a new
// release never meets an old file.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed css js vendor/*.js *.svg
var files embed.FS

// Prefix is where the files are served.
const Prefix = "/static/"

type asset struct {
	url    string
	kind   string
	etag   string
	plain  []byte
	zipped []byte // nil when it saves nothing
	hashed bool   // the name under which it is asked for contains the hash
}

type table struct {
	urls   map[string]string // by name
	assets map[string]asset  // by path below Prefix
}

var load = sync.OnceValue(func() table {
	t := table{urls: map[string]string{}, assets: map[string]asset{}}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		kind := kindOf(name)
		if kind == "" { // embedded by a pattern, but not for browsers
			return nil
		}
		sum := sha256.Sum256(data)
		hash := hex.EncodeToString(sum[:6])
		ext := path.Ext(name)
		hashedName := strings.TrimSuffix(name, ext) + "." + hash + ext
		a := asset{url: Prefix + hashedName, kind: kind, etag: `"` + hash + `"`, plain: data, zipped: zip(data)}
		t.urls[name] = a.url
		t.assets[name] = a
		a.hashed = true
		t.assets[hashedName] = a
		return nil
	})
	if err != nil {
		panic("static: reading embedded files: " + err.Error())
	}
	return t
})

func kindOf(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return ""
}

func zip(data []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(data) // a bytes.Buffer takes everything
	_ = w.Close()
	if b.Len() >= len(data)*9/10 {
		return nil
	}
	return bytes.Clone(b.Bytes())
}

// URL returns the path under which a file of this folder ("css/app.css") is
// served. It panics on a name that does not exist: that is a mistake in a page.
func URL(name string) string {
	u, ok := load().urls[name]
	if !ok {
		panic("static: no file " + name)
	}
	return u
}

// Handler serves the files below Prefix, and nothing else: no folders, no
// licences, no paths that are not in the table.
func Handler() http.Handler {
	t := load()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, below := strings.CutPrefix(r.URL.Path, Prefix)
		a, known := t.assets[name]
		if !below || !known {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		a.serve(w, r)
	})
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", a.etag)
	h.Set("Vary", "Accept-Encoding")
	if a.hashed {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	if strings.Contains(r.Header.Get("If-None-Match"), a.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := a.plain
	if a.zipped != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		body = a.zipped
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // the reader is gone: nothing to be done
	}
}

func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		if strings.TrimSpace(coding) != "gzip" {
			continue
		}
		q, found := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		if !found {
			return true
		}
		v, err := strconv.ParseFloat(q, 64)
		return err == nil && v > 0
	}
	return false
}
