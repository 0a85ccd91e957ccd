package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// dkronTarget is what jobs send requests to.
type dkronTarget struct{ https *httptest.Server }

func (d *dkronTarget) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // what is missing is seen in the answer
	if status, err := strconv.Atoi(r.URL.Query().Get("status")); err == nil {
		w.WriteHeader(status)
	}
	fmt.Fprintf(w, "got %s %s %s %s %s", r.Method, r.URL.Path, r.Header.Get("X-One"), r.Header.Get("Content-Type"), body)
}

func (d *dkronTarget) serve(t *testing.T) string {
	s := httptest.NewServer(d)
	t.Cleanup(s.Close)
	return s.URL
}

// secure serves with a certificate that nobody knows.
func (d *dkronTarget) secure(t *testing.T) string {
	d.https = httptest.NewTLSServer(d)
	t.Cleanup(d.https.Close)
	return d.https.URL + "/x"
}

// authority is a file with who signed that certificate.
func (d *dkronTarget) authority(t *testing.T) string {
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.https.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
