package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"
)

// insideScript finds the processes that have $1 in their environment, and their
// descendants, and sends them the signal $2 (0: none). It needs a shell and cat.
// The dead that nobody has reaped (State Z) do not count.
const insideScript = `exec 2>/dev/null
found=' ' grew=1
while [ "$grew" ]; do
  grew=
  for dir in /proc/[0-9]*; do
    pid=${dir#/proc/} state= parent=
    case $found in *" $pid "*) continue;; esac
    [ "$pid" = $$ ] && continue
    while read -r key value rest; do
      case $key in State:) state=$value;; PPid:) parent=$value; break;; esac
    done <"$dir/status"
    case $state in ''|Z|X) continue;; esac
    case $found in
    *" $parent "*) ;;
    *) case $(cat "$dir/environ") in *"$1"*) ;; *) continue;; esac;;
    esac
    found="$found$pid " grew=1
  done
done
[ "$2" = 0 ] || for pid in $found; do kill -s "$2" "$pid"; done
set -- $found
echo "found $#"`

// inside returns the way through a shell in the container.
func (n *ender) inside(user string, privileged bool) way {
	return func(ctx context.Context, sig unix.Signal) (int, error) {
		name := "0"
		if sig != 0 {
			name = strings.TrimPrefix(unix.SignalName(sig), "SIG")
		}
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		text, err := n.shell(ctx, user, privileged, n.marker, name)
		if err != nil {
			return 0, err
		}
		_, count, ok := strings.Cut(text, "found ")
		found, err := strconv.Atoi(strings.TrimSpace(count))
		if !ok || err != nil {
			return 0, errors.New("its processes could not be ended: the container has no shell to do it with")
		}
		return found, nil
	}
}

// shell runs insideScript and returns what it says.
func (n *ender) shell(ctx context.Context, user string, privileged bool, args ...string) (string, error) {
	created, err := n.api.ExecCreate(ctx, n.container, client.ExecCreateOptions{
		User: user, Privileged: privileged, AttachStdout: true,
		Cmd: append([]string{"sh", "-c", insideScript, "belfry"}, args...),
	})
	if err != nil {
		return "", fmt.Errorf("its processes could not be ended: %w", err)
	}
	attached, err := n.api.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		return "", fmt.Errorf("its processes could not be ended: %w", err)
	}
	defer context.AfterFunc(ctx, attached.Close)()
	defer attached.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, io.Discard, attached.Reader); err != nil {
		return "", fmt.Errorf("its processes could not be ended: %w", err)
	}
	return text.String(), nil
}
