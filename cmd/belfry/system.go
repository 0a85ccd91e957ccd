package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"belfry/db"
	"belfry/handlers"
	"belfry/scheduler"
)

func (c *serveCmd) databaseKind() string {
	if c.Database != "" {
		return "PostgreSQL"
	}
	return "SQLite"
}

// backup copies the database into a folder beside it; nil for PostgreSQL, which
// has tools of its own.
func (c *serveCmd) backup() func(context.Context) (handlers.Backup, error) {
	if c.Database != "" {
		return nil
	}
	return func(ctx context.Context) (handlers.Backup, error) {
		folder := filepath.Join(c.Data, "backups")
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return handlers.Backup{}, scheduler.Errorf(scheduler.CodeUnavailable, "the folder of backups cannot be made: %v", err)
		}
		to := filepath.Join(folder, "belfry-"+time.Now().UTC().Format("20060102-150405.000")+".db")
		info, err := db.Backup(ctx, c.file(), to, false)
		if err != nil {
			return handlers.Backup{}, scheduler.Errorf(scheduler.CodeUnavailable, "the database could not be copied: %v", err)
		}
		return handlers.Backup{File: to, Bytes: info.Bytes, Jobs: info.Jobs, Executions: info.Executions}, nil
	}
}

// inForce is what the server runs with, without secrets.
func (c *serveCmd) inForce() [][2]string {
	proxies := make([]string, len(c.TrustedProxies))
	for i, p := range c.TrustedProxies {
		proxies[i] = p.String()
	}
	database := filepath.Join(c.Data, "belfry.db")
	if c.Database != "" {
		database = "PostgreSQL, by --database"
	}
	return [][2]string{
		{"listen", c.address()},
		{"data", c.Data},
		{"database", database},
		{"config", strings.Join(c.Config, ", ")},
		{"auth", c.Auth},
		{"secure-cookies", strconv.FormatBool(c.SecureCookies)},
		{"trusted-proxies", strings.Join(proxies, ", ")},
		{"session-ttl", c.SessionTTL.String()},
		{"slots", strconv.Itoa(c.slots())},
		{"tags", strings.Join(c.Tags, ", ")},
		{"keep-age", c.KeepAge.String()},
		{"keep-count", strconv.Itoa(c.KeepCount)},
		{"keep-bytes", fmt.Sprint(c.KeepBytes)},
		{"drain-grace", c.DrainGrace.String()},
		{"api-rate-limit", strconv.Itoa(c.APIRateLimit)},
		{"api-rate-burst", strconv.Itoa(c.APIRateBurst)},
		{"api-token-ttl", c.APITokenTTL.String()},
		{"metrics-auth", strconv.FormatBool(c.MetricsAuth)},
	}
}
