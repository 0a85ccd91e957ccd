package shell

import (
	"encoding/binary"
	"errors"
)

// The server and the supervisor talk over a stream socket. Both are the same
// binary, so the format has no version. A request is its length (4 bytes), its
// kind, the run's number (4 bytes) and, to start one, what to start; the run's
// files travel as rights with a start request's first byte. A report has a
// fixed size.

const (
	reqStart = iota + 1 // fork the run
	reqTerm             // ask all of it to end
	reqKill             // kill all of it
)

const headerSize = 4 + 1 + 4

// request is what the server asks of the supervisor.
type request struct {
	kind byte
	run  uint32
	start
}

// start says what to fork.
type start struct {
	files  byte  // how many files come along: stdout, stderr and, if 3, stdin
	umask  int   // -1: unchanged
	memory int64 // bytes that it may use; 0: any
	id     string
	path   string
	dir    string
	argv   []string
	env    []string
	who    bool // run as uid, gid, groups
	uid    uint32
	gid    uint32
	groups []uint32
}

func (r *request) append(b []byte) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0, r.kind)
	b = binary.LittleEndian.AppendUint32(b, r.run)
	if r.kind == reqStart {
		b = append(b, r.files)
		b = binary.AppendVarint(b, int64(r.umask))
		b = binary.AppendVarint(b, r.memory)
		for _, s := range [...]string{r.id, r.path, r.dir} {
			b = appendString(b, s)
		}
		for _, list := range [...][]string{r.argv, r.env} {
			b = binary.AppendUvarint(b, uint64(len(list)))
			for _, s := range list {
				b = appendString(b, s)
			}
		}
		if r.who {
			b = binary.AppendUvarint(b, uint64(r.uid))
			b = binary.AppendUvarint(b, uint64(r.gid))
			for _, g := range r.groups {
				b = binary.AppendUvarint(b, uint64(g))
			}
		}
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at))
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errFrame = errors.New("a malformed request")

// frameSize returns the size of the request that b begins with, or 0 while too
// little of it is there to tell.
func frameSize(b []byte) int {
	if len(b) < headerSize {
		return 0
	}
	return int(binary.LittleEndian.Uint32(b))
}

// parseRequest reads one whole frame. Its strings are parts of one copy of it.
func parseRequest(b []byte) (request, error) {
	r := request{kind: b[4], run: binary.LittleEndian.Uint32(b[5:])}
	if r.kind != reqStart {
		return r, nil
	}
	c := cursor{b: b[headerSize:], s: string(b[headerSize:])}
	r.files = byte(c.uvarint())
	r.umask, r.memory = int(c.varint()), c.varint()
	r.id, r.path, r.dir = c.string(), c.string(), c.string()
	r.argv, r.env = c.strings(), c.strings()
	if len(c.b) > 0 {
		r.who, r.uid, r.gid = true, uint32(c.uvarint()), uint32(c.uvarint())
	}
	for len(c.b) > 0 && !c.bad {
		r.groups = append(r.groups, uint32(c.uvarint()))
	}
	if c.bad {
		return r, errFrame
	}
	return r, nil
}

// cursor reads values from b; after the first that is not there it is bad.
type cursor struct {
	b   []byte
	s   string // the same bytes
	bad bool
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	c.skip(n)
	return v
}

func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.b)
	c.skip(n)
	return v
}

func (c *cursor) skip(n int) {
	if n <= 0 {
		c.bad, c.b, c.s = true, nil, ""
		return
	}
	c.b, c.s = c.b[n:], c.s[n:]
}

func (c *cursor) string() string {
	n := c.uvarint()
	if n > uint64(len(c.b)) {
		c.bad = true
		return ""
	}
	s := c.s[:n]
	c.b, c.s = c.b[n:], c.s[n:]
	return s
}

func (c *cursor) strings() []string {
	n := c.uvarint()
	if n > uint64(len(c.b)) {
		c.bad = true
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = c.string()
	}
	return list
}

// The kinds of report.
const (
	repExited = iota + 1 // the main process has ended and nothing of the run is left
	repFailed            // it could not be started; status is the errno
	repReady             // of no run: the supervisor is what it should be
	repLost              // the supervisor died (never sent: the link makes it up)
)

const reportSize = 32

// report is what the supervisor says of a run, once, at its end.
type report struct {
	kind   byte
	run    uint32
	status uint32 // the wait status
	left   uint32 // how many processes outlived the main one and were ended
	heavy  bool   // it was killed because it used more memory than it may
	maxRSS uint64 // KiB
	cpu    uint64 // ns, user and system
}

func (r *report) append(b []byte) []byte {
	le := binary.LittleEndian
	heavy := byte(0)
	if r.heavy {
		heavy = 1
	}
	b = append(b, r.kind, heavy, 0, 0)
	b = le.AppendUint32(b, r.run)
	b = le.AppendUint32(b, r.status)
	b = le.AppendUint32(b, r.left)
	b = le.AppendUint64(b, r.maxRSS)
	return le.AppendUint64(b, r.cpu)
}

func parseReport(b []byte) report {
	le := binary.LittleEndian
	return report{
		kind: b[0], heavy: b[1] != 0, run: le.Uint32(b[4:]), status: le.Uint32(b[8:]), left: le.Uint32(b[12:]),
		maxRSS: le.Uint64(b[16:]), cpu: le.Uint64(b[24:]),
	}
}
