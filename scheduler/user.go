package scheduler

import "time"

// Role is what a principal may do; each role may all that the ones before it may.
type Role string

// The roles, weakest first.
const (
	Viewer   Role = "viewer"   // read
	Operator Role = "operator" // + run, stop, retry, enable, disable
	Editor   Role = "editor"   // + create, change, delete jobs
	Admin    Role = "admin"    // + users, tokens
)

// Roles lists the roles, weakest first.
var Roles = []Role{Viewer, Operator, Editor, Admin}

func (r Role) rank() int {
	for i, x := range Roles {
		if x == r {
			return i + 1
		}
	}
	return 0
}

// Valid reports whether r is one of Roles.
func (r Role) Valid() bool { return r.rank() > 0 }

// Allows reports whether r may do what needs the role need.
func (r Role) Allows(need Role) bool { return need.Valid() && r.rank() >= need.rank() }

// User is somebody who can log in.
type User struct {
	ID           string
	Name         string
	PasswordHash string // argon2id, PHC string
	Role         Role
	CreatedAt    time.Time
	LastLoginAt  time.Time
}

// Token lets a program act with a role. The secret is shown once and stored as
// a SHA-256 hash only: it has 256 bits of chance, so a slow hash adds nothing.
type Token struct {
	ID         string
	Name       string
	Hash       string
	Role       Role
	UserID     string // who made it
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	LastUsedAt time.Time
	RevokedAt  time.Time
}

// Live reports whether the token works at now.
func (t *Token) Live(now time.Time) bool {
	return t.RevokedAt.IsZero() && (t.ExpiresAt.IsZero() || now.Before(t.ExpiresAt))
}

// Login is one session of a user: the authority for "is this cookie still good".
// The cookie's own data says only which Login it belongs to.
type Login struct {
	ID        string
	UserID    string
	From      string // address of the client
	Agent     string // its User-Agent, cut
	CreatedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time
	RevokedAt time.Time
}

// Principal is who asks, through what, from where. The zero Principal may nothing.
type Principal struct {
	UserID string
	Name   string // the user's or the token's name, for audit rows and triggers
	Role   Role
	Via    string // one of the Via constants
	From   string // address, may be empty
}

// What a principal came through.
const (
	ViaPage   = "page"
	ViaToken  = "token"
	ViaBasic  = "basic"
	ViaCLI    = "cli"
	ViaServer = "server"
	ViaOpen   = "open" // authentication is switched off
)

// Vias are all of them.
var Vias = []string{ViaPage, ViaToken, ViaBasic, ViaCLI, ViaServer, ViaOpen}

// Server is the principal of what Belfry does by itself.
var Server = Principal{Name: "belfry", Role: Admin, Via: ViaServer}

// AuditEntry is one mutation: who did what to what, through what, from where,
// and how it looked before and after. Before and After are JSON without secrets.
type AuditEntry struct {
	ID     int64
	At     time.Time
	Actor  string
	Via    string
	From   string
	Action string // "job.create", "execution.stop", "user.passwd" …
	Object string // name or id of what it was done to
	Before string
	After  string

	// Where the row is in the chain of all rows, with the hash of the one before it;
	// all zero until it is chained.
	Seq            int64
	Previous, Hash string
}
