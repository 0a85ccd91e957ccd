package shell

import (
	"errors"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// inbox is what came from the server and is not yet done.
type inbox struct {
	buf   []byte
	have  int     // bytes in buf
	files [][]int // of start requests that are not yet whole, in order
	oob   []byte
}

// receive takes one message off the socket and does what is whole of it. It
// reports false when the server is gone.
func (s *supervisor) receive() bool {
	in := &s.in
	if in.buf == nil {
		in.buf, in.oob = make([]byte, 64<<10), make([]byte, unix.CmsgSpace(3*4))
	}
	n, oobn, _, _, err := unix.Recvmsg(socketFD, in.buf[in.have:], in.oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
	if errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.EAGAIN) {
		return true
	}
	if err != nil || n == 0 {
		return false
	}
	if oobn > 0 {
		in.files = append(in.files, rights(in.oob[:oobn]))
	}
	in.have += n
	rest := in.buf[:in.have]
	for {
		size := frameSize(rest)
		if size > len(in.buf) {
			// Grown for a large request, and kept: it is rare and at most a few MB.
			in.buf = append(make([]byte, 0, size), rest...)[:size]
			rest = in.buf[:len(rest)]
		}
		if size == 0 || len(rest) < size {
			in.have = copy(in.buf, rest)
			return true
		}
		req, err := parseRequest(rest[:size])
		if err != nil || req.kind == reqStart && len(in.files) == 0 {
			return false // never from our own binary: better no server than a confused one
		}
		if req.kind == reqStart {
			s.fork(&req, in.files[0])
			in.files = in.files[1:]
		} else {
			s.order(&req)
		}
		rest = rest[size:]
	}
}

// rights returns the files that came with a message. Too few mean that there
// was no room for them in our table.
func rights(oob []byte) []int {
	var files []int
	msgs, _ := unix.ParseSocketControlMessage(oob) // unparsable: no files
	for i := range msgs {
		fds, _ := unix.ParseUnixRights(&msgs[i])
		files = append(files, fds...)
	}
	return files
}

// fork starts a run and closes its files. Nothing else in this process forks or
// makes files, so the umask and the tag can be set around it.
func (s *supervisor) fork(req *request, files []int) {
	defer func() {
		for _, fd := range files {
			closeFile(fd)
		}
	}()
	if len(files) != int(req.files) {
		s.report(report{kind: repFailed, run: req.run, status: uint32(syscall.EMFILE)})
		return
	}
	s.births++
	p := &proc{num: req.run, id: req.id, tag: tagOf(s.marker, req.run), birth: s.births, memory: req.memory}
	attr := &syscall.ProcAttr{
		Dir: req.dir, Env: s.env(req.env),
		Files: []uintptr{0, uintptr(files[0]), uintptr(files[1])}, // our own 0 is /dev/null
		Sys:   &syscall.SysProcAttr{PidFD: &p.pidfd},
	}
	if len(files) == 3 {
		attr.Files[0] = uintptr(files[2])
	}
	if req.who {
		attr.Sys.Credential = &syscall.Credential{Uid: req.uid, Gid: req.gid, Groups: req.groups}
		attr.Sys.Setsid = true // another user's processes must not be able to join its group
	} else {
		// Not a session: with CONFIG_SCHED_AUTOGROUP the kernel makes a scheduling
		// group for each, which halves the rate, and lets a crowd of runs starve
		// the server.
		attr.Sys.Setpgid = true
	}
	setTag(p.tag)
	var mask int
	if req.umask >= 0 {
		mask = syscall.Umask(req.umask)
	}
	pid, err := syscall.ForkExec(req.path, req.argv, attr)
	if req.umask >= 0 {
		syscall.Umask(mask)
	}
	if err == nil {
		p.pid = pid
		s.runs[p.num] = p
		if p.memory > 0 {
			s.limited++
		}
		err = s.watch(p.pidfd, p.num)
		if err == nil {
			return
		}
		s.abandon(p)
	}
	errno := syscall.EINVAL // a NUL in a string, which Check refuses
	errors.As(err, &errno)
	s.report(report{kind: repFailed, run: p.num, status: uint32(errno)})
}

// abandon kills a run whose end we could not see.
func (s *supervisor) abandon(p *proc) {
	s.forget(p)
	closeFile(p.pidfd)
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	_, _ = syscall.Wait4(p.pid, nil, 0, nil)
}

// order takes note of what the server wants of a run, unless it has ended.
func (s *supervisor) order(req *request) {
	if p := s.runs[req.run]; p != nil {
		p.asked = true
		p.kill = p.kill || req.kind == reqKill
		s.startEnding(p)
		p.next = p.began
	}
}

func (s *supervisor) setBase(env []string) {
	s.base, s.names = env, map[string]int{}
	for i, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		s.names[name] = i
	}
}

// env returns the environment of a run: ours, with extra added or instead.
func (s *supervisor) env(extra []string) []string {
	env := append(make([]string, 0, len(s.base)+len(extra)), s.base...)
	for _, kv := range extra {
		name, _, _ := strings.Cut(kv, "=")
		if i, known := s.names[name]; known {
			env[i] = kv
		} else {
			env = append(env, kv)
		}
	}
	return env
}
