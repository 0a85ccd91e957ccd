package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/moby/moby/client"
)

// importImage makes Image from the machine's static busybox.
func (d *Daemon) importImage() error {
	layer, err := busybox()
	if err != nil {
		return err
	}
	c, err := d.Client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := c.ImageImport(ctx, client.ImageImportSource{Source: layer, SourceName: "-"}, d.Image,
		client.ImageImportOptions{Changes: []string{`CMD ["sh"]`, "ENV PATH=/bin"}})
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

// busybox is a tar of a file system with nothing but busybox.
func busybox() (io.Reader, error) {
	program, err := exec.LookPath("busybox")
	if err != nil {
		return nil, err
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	applets, err := exec.Command(program, "--list").Output() //nolint:noctx // it ends at once
	if err != nil {
		return nil, fmt.Errorf("busybox --list: %w", err)
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	file := func(name string, mode int64, content []byte) {
		if err == nil {
			err = w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content)), Typeflag: tar.TypeReg})
		}
		if err == nil {
			_, err = w.Write(content)
		}
	}
	for _, dir := range []string{"bin/", "etc/", "tmp/", "root/"} {
		if err == nil {
			err = w.WriteHeader(&tar.Header{Name: dir, Mode: 0o1777, Typeflag: tar.TypeDir})
		}
	}
	file("bin/busybox", 0o755, binary)
	for _, applet := range strings.Fields(string(applets)) {
		if err == nil && applet != "busybox" { // a link to itself would destroy it
			err = w.WriteHeader(&tar.Header{Name: "bin/" + applet, Linkname: "busybox", Mode: 0o777, Typeflag: tar.TypeSymlink})
		}
	}
	file("etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\nworker:x:1000:1000::/tmp:/bin/sh\n"))
	file("etc/group", 0o644, []byte("root:x:0:\nworker:x:1000:\n"))
	if err == nil {
		err = w.Close()
	}
	return &buf, err
}
