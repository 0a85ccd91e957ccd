package jobfile

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Fingerprint changes when one of the files that names and patterns stand for is
// written, replaced, made or removed. It looks at what the file system says of
// them, not into them.
func Fingerprint(files []string) string {
	var b strings.Builder
	for _, name := range expand(files, &Problems{}) {
		info, err := os.Stat(name)
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", name, err)
			continue
		}
		var inode uint64
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			inode = s.Ino
		}
		fmt.Fprintf(&b, "%s: %d %d %d\n", name, info.Size(), info.ModTime().UnixNano(), inode)
	}
	return b.String()
}
