package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"time"

	"belfry/scheduler"
	"belfry/scheduler/jobfile"
)

// serveCmd are the flags of `belfry serve`.
type serveCmd struct {
	dataFlags
	logFlags
	Listen               string         `help:"Address to serve pages and API on; 127.0.0.1:8080, unless the configuration has a web-address." placeholder:"HOST:PORT"`
	DkronListen          string         `help:"Address of a listener that has only the API of Dkron, where a Dkron has it; it is below /v1 of --listen anyway." placeholder:"HOST:PORT"`
	NdschedulerListen    string         `help:"Address of a listener that has only the API of ndscheduler, with its login; it is below /api/v1 of --listen anyway." placeholder:"HOST:PORT"`
	CoalitionListen      string         `help:"Address of a listener that has only the API of Coalition and its workers, where a Coalition has them (there the port is 19211); they are below /coalition of --listen anyway." placeholder:"HOST:PORT"`
	CoalitionWorkersOpen bool           `help:"Let in Coalition's workers, which cannot bring a token: whoever reaches them may take jobs and say how they ended. Only on 127.0.0.1, unless --insecure is added."`
	Config               []string       `help:"Files with jobs and settings in Ofelia's INI format, or patterns for such; repeatable." placeholder:"FILE"`
	Docker               string         `help:"Address of the Docker engine; off: none. Empty: what DOCKER_HOST says, or the usual socket." placeholder:"HOST"`
	Demo                 bool           `help:"Fill a fresh data folder with sample jobs, and open the page."`
	Auth                 string         `help:"Who may come in: users who log in (session), or everybody (none)." enum:"session,none" default:"session"`
	Insecure             bool           `help:"Allow --auth none and --coalition-workers-open on an address that other machines reach."`
	SecureCookies        bool           `help:"Send cookies over HTTPS only. Set it behind a TLS proxy."`
	TrustedProxies       []netip.Prefix `help:"Networks of proxies whose X-Forwarded-For is believed." placeholder:"CIDR"`
	SessionTTL           time.Duration  `help:"How long a login lasts." default:"168h" name:"session-ttl"`
	Slots                int            `help:"How many executions run at once; 0 is twice the number of processors." default:"0"`
	Tags                 []string       `help:"What jobs may ask for of this server's worker." placeholder:"TAG"`
	KeepAge              time.Duration  `help:"How long executions are kept after they ended; 0 is for ever. The last success and the last failure of each job always stay." default:"2160h"`
	KeepCount            int            `help:"How many executions that ended are kept of each job; 0 is all." default:"0"`
	AuditKeep            time.Duration  `help:"How long audit rows are kept; 0 is for ever." default:"0s"`
	KeepBytes            int64          `help:"How many bytes of output are kept of all jobs together; 0 is all." default:"0"`
	DrainGrace           time.Duration  `help:"How long running executions may go on after SIGTERM before they are cancelled." default:"30s"`
	APIRateLimit         int            `help:"Requests a minute and client to the Ofelia API; 0 is any number." default:"100" name:"api-rate-limit"`
	APIRateBurst         int            `help:"So many more of them at once." default:"10" name:"api-rate-burst"`
	APITokenTTL          time.Duration  `help:"How long the token of a login through an API is good." default:"24h" name:"api-token-ttl"`
	MetricsAuth          bool           `help:"Ask at /metrics, too, who it is."`
	AdminPassword        string         `help:"Password of the first user, admin, at the first start. Generated and printed when empty." placeholder:"PASSWORD"`

	webAddress, dockerHost string // of the configuration, by readAddresses
}

// Validate refuses what would surprise or endanger; kong calls it.
func (c *serveCmd) Validate() error {
	if c.Slots < 0 {
		return errors.New("--slots must not be negative")
	}
	if c.KeepAge < 0 || c.KeepCount < 0 || c.KeepBytes < 0 {
		return errors.New("--keep-age, --keep-count and --keep-bytes must not be negative")
	}
	if c.AuditKeep < 0 {
		return errors.New("--audit-keep must not be negative")
	}
	if c.DrainGrace < 0 || c.SessionTTL <= 0 {
		return errors.New("--drain-grace and --session-ttl must be positive durations")
	}
	if c.APIRateLimit < 0 || c.APIRateBurst < 0 || c.APITokenTTL < time.Second {
		return errors.New("--api-rate-limit and --api-rate-burst must not be negative, --api-token-ttl must be at least 1s")
	}
	return c.validAddress()
}

// validAddress refuses an address that everybody reaches who need not log in.
func (c *serveCmd) validAddress() error {
	workers, pages := cmp.Or(c.CoalitionListen, c.address()), "--listen"
	if c.Listen == "" && c.webAddress != "" {
		pages = "web-address, which --listen comes before"
	}
	for flag, address := range map[string]string{
		pages: c.address(), "--dkron-listen": c.DkronListen, "--ndscheduler-listen": c.NdschedulerListen, "--coalition-listen": c.CoalitionListen,
	} {
		if address == "" {
			continue
		}
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
		if c.Auth == "none" && !loopback(host) && !c.Insecure {
			return fmt.Errorf("--auth none lets everybody who reaches %s (%s) run commands on this machine; listen on 127.0.0.1, or add --insecure if that is what you want", address, flag)
		}
		if c.CoalitionWorkersOpen && address == workers && !loopback(host) && !c.Insecure {
			return fmt.Errorf("--coalition-workers-open lets everybody who reaches %s take jobs and say how they ended; use a --coalition-listen on 127.0.0.1, or add --insecure if that is what you want", address)
		}
	}
	return nil
}

// address is where to listen.
func (c *serveCmd) address() string { return cmp.Or(c.Listen, c.webAddress, "127.0.0.1:8080") }

// readAddresses takes from the configuration, files and what was changed through the
// API, what is needed before all else.
func (c *serveCmd) readAddresses(ctx context.Context, store scheduler.Store, log *slog.Logger) error {
	g := jobfile.DefaultGlobal()
	if len(c.Config) > 0 {
		set, err := jobfile.Load(c.Config, os.LookupEnv, nil)
		if err != nil {
			return err
		}
		g = set.Global
	}
	changed, err := changedGlobal(ctx, store, log)
	if err != nil {
		return err
	}
	if err := g.Merge(changed); err != nil {
		return err
	}
	c.webAddress, c.dockerHost = g.WebAddress, g.DockerHost
	return c.validAddress()
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func (c *serveCmd) slots() int {
	if c.Slots > 0 {
		return c.Slots
	}
	return 2 * runtime.NumCPU()
}

// Run serves until ctx ends, then drains.
func (c *serveCmd) Run(ctx context.Context, con *console) error {
	level := new(slog.LevelVar)
	log := c.logger(con.stderr, level)
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	// Children must not inherit the first password or a database's.
	for _, name := range []string{"BELFRY_ADMIN_PASSWORD", "BELFRY_DATABASE"} {
		_ = os.Unsetenv(name)
	}
	a, err := build(ctx, c, log, level)
	if err != nil {
		return err
	}
	if err := a.start(ctx, con); err != nil {
		return errors.Join(err, a.stop(log))
	}
	select {
	case <-ctx.Done():
		log.Info("stopping", "grace", c.DrainGrace)
	case <-a.leaving:
		log.Info("stopping, as somebody asked for", "grace", c.DrainGrace)
	case err = <-a.failed:
		log.Error("the server failed", "error", err)
	}
	return errors.Join(err, a.stop(log))
}

// announce says once where the page is and who may log in.
func (c *serveCmd) announce(con *console, url, password string) {
	text := fmt.Sprintf("\n  Belfry %s is ready:  %s\n", versionText(), url)
	switch {
	case c.Auth == "none":
		text += "  Everybody who reaches this address may do everything (--auth none).\n"
	case password != "":
		text += fmt.Sprintf("  Log in as admin with the password  %s  (shown this once).\n", password)
	}
	fmt.Fprintln(con.stderr, text)
}
