package main

import (
	"crypto/rand"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/alexedwards/argon2id"
)

// passwords implements scheduler.Passwords with argon2id at OWASP's first
// choice of parameters: 19 MiB, two passes. At most hashers run at once, because
// a flood of logins must not take the memory that jobs need.
type passwords struct {
	hashers chan struct{}
	freeing *atomic.Bool
}

func newPasswords() passwords { return passwords{make(chan struct{}, 4), new(atomic.Bool)} }

// begin waits for a place and returns what gives it back. The runtime would keep
// a hash's memory, more than the rest of an idle server has, for minutes: a
// second later it goes back to the system, and a flood of logins pays for that
// once a second.
func (p passwords) begin() (end func()) {
	p.hashers <- struct{}{}
	return func() {
		<-p.hashers
		if p.freeing.CompareAndSwap(false, true) {
			time.AfterFunc(time.Second, func() {
				p.freeing.Store(false)
				debug.FreeOSMemory()
			})
		}
	}
}

var argonParams = &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

func (p passwords) Hash(password string) (string, error) {
	defer p.begin()()
	return argon2id.CreateHash(password, argonParams)
}

func (p passwords) Matches(password, hash string) bool {
	defer p.begin()()
	ok, err := argon2id.ComparePasswordAndHash(password, hash)
	return err == nil && ok
}

// generatePassword makes a password that people can type: four groups of five
// letters and digits that cannot be taken for each other, 100 bits.
func generatePassword() string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789" // 32: a byte's low bits choose evenly
	random := make([]byte, 20)
	_, _ = rand.Read(random) // crypto/rand never fails
	for i := range random {
		random[i] = letters[random[i]&31]
	}
	return fmt.Sprintf("%s-%s-%s-%s", random[:5], random[5:10], random[10:15], random[15:])
}
