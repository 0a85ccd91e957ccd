package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"belfry/scheduler/jobfile"
)

func (c *serveCmd) databaseKind() string {
	if c.Database != "" {
		return "PostgreSQL"
	}
	return "SQLite"
}

// inForce is what the server runs with, without secrets.
func (c *serveCmd) inForce() [][2]string {
	proxies := make([]string, len(c.TrustedProxies))
	for i, p := range c.TrustedProxies {
		proxies[i] = p.String()
	}
	level := ""
	if c.LogLevel != nil {
		level = strings.ToLower(c.LogLevel.String())
	}
	database := filepath.Join(c.Data, "belfry.db")
	if c.Database != "" {
		database = "PostgreSQL, by --database"
	}
	engine, _ := (&jobfile.Global{DockerHost: cmp.Or(c.Docker, c.dockerHost)}).JSON()["dockerHost"].(string) // without a password
	return [][2]string{
		{"listen", c.address()},
		{"data", c.Data},
		{"database", database},
		{"dkron-listen", c.DkronListen},
		{"ndscheduler-listen", c.NdschedulerListen},
		{"coalition-listen", c.CoalitionListen},
		{"coalition-workers-open", strconv.FormatBool(c.CoalitionWorkersOpen)},
		{"config", strings.Join(c.Config, ", ")},
		{"docker", engine},
		{"demo", strconv.FormatBool(c.Demo)},
		{"auth", c.Auth},
		{"insecure", strconv.FormatBool(c.Insecure)},
		{"secure-cookies", strconv.FormatBool(c.SecureCookies)},
		{"trusted-proxies", strings.Join(proxies, ", ")},
		{"session-ttl", c.SessionTTL.String()},
		{"slots", strconv.Itoa(c.slots())},
		{"tags", strings.Join(c.Tags, ", ")},
		{"keep-age", c.KeepAge.String()},
		{"keep-count", strconv.Itoa(c.KeepCount)},
		{"keep-bytes", fmt.Sprint(c.KeepBytes)},
		{"audit-keep", c.AuditKeep.String()},
		{"drain-grace", c.DrainGrace.String()},
		{"api-rate-limit", strconv.Itoa(c.APIRateLimit)},
		{"api-rate-burst", strconv.Itoa(c.APIRateBurst)},
		{"api-token-ttl", c.APITokenTTL.String()},
		{"metrics-auth", strconv.FormatBool(c.MetricsAuth)},
		{"log-level", level},
		{"log-format", c.LogFormat},
	}
}
