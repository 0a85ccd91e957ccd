package db

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"belfry/migrations"
	"belfry/scheduler"
)

// migration is one step of the schema, as read for one dialect.
type migration struct {
	version int64
	name    string // the file's
	sql     string
	sum     string // SHA-256 of the file
}

var migrationFile = regexp.MustCompile(`^(\d{4})_[a-z0-9_]+(?:\.(postgres|sqlite))?\.sql$`)

// loadMigrations reads the files for a dialect, in order.
func loadMigrations(files fs.FS, d *dialect) ([]migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	byVersion := map[int64]migration{}
	for _, name := range names { // sorted: the portable file comes after its variants
		m := migrationFile.FindStringSubmatch(name)
		if m == nil {
			return nil, fmt.Errorf("migration file %q is not named NNNN_name.sql", name)
		}
		version, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			return nil, err
		}
		if m[2] != "" && m[2] != d.name {
			continue
		}
		if _, ok := byVersion[version]; ok && m[2] == "" {
			continue
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		byVersion[version] = migration{version, name, d.ddl(string(text)), hex.EncodeToString(sum[:])}
	}
	all := make([]migration, 0, len(byVersion))
	for _, m := range byVersion {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b migration) int { return int(a.version - b.version) })
	return all, nil
}

// migrate brings the schema up to date, or refuses to touch a database that this
// program does not understand.
func migrate(ctx context.Context, db *sql.DB, d *dialect, log *slog.Logger) error {
	all, err := loadMigrations(migrations.Files, d)
	if err != nil {
		return err
	}
	return migrateTo(ctx, db, d, all, log)
}

func migrateTo(ctx context.Context, db *sql.DB, d *dialect, all []migration, log *slog.Logger) error {
	complete, err := checkSchema(ctx, db, all)
	if err != nil || complete {
		return err
	}
	steps := make([]*goose.Migration, len(all))
	for i, m := range all {
		steps[i] = goose.NewGoMigration(m.version, &goose.GoFunc{RunTx: m.apply}, nil)
	}
	// Steps of branches that are merged later may have lower numbers.
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithGoMigrations(steps...), goose.WithAllowOutofOrder(true)}
	kind := goose.DialectSQLite3
	if d == postgresDialect {
		// Of servers that start together, one migrates and the others wait for it.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return err
		}
		kind = goose.DialectPostgres
		options = append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(kind, db, nil, options...)
	if err != nil {
		return err
	}
	done, err := p.Up(ctx)
	if err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	for _, r := range done {
		log.Info("schema migrated", "version", r.Source.Version, "took", r.Duration)
	}
	_, err = checkSchema(ctx, db, all)
	return err
}

// apply runs in goose's transaction, so the step and its checksum are stored
// together or not at all.
func (m migration) apply(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, m.sql); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	_, err := tx.ExecContext(ctx,
		"INSERT INTO schema_migrations (version, name, sha256, applied_at) VALUES ($1, $2, $3, $4)",
		m.version, m.name, m.sum, time.Now().UnixMicro())
	return err
}

// checkSchema compares the schema in the database with what this program knows,
// and reports whether all steps were applied.
func checkSchema(ctx context.Context, db *sql.DB, all []migration) (complete bool, err error) {
	if err := ensureLedger(ctx, db); err != nil {
		return false, err
	}
	rows, err := db.QueryContext(ctx, "SELECT version, name, sha256 FROM schema_migrations ORDER BY version")
	if err != nil {
		return false, err
	}
	defer rows.Close()
	var applied []migration
	for rows.Next() {
		var m migration
		if err := rows.Scan(&m.version, &m.name, &m.sum); err != nil {
			return false, err
		}
		applied = append(applied, m)
	}
	if err := rows.Err(); err != nil || len(applied) == 0 {
		return false, err
	}
	have, know := applied[len(applied)-1].version, all[len(all)-1].version
	if have > know {
		return false, scheduler.Errorf(scheduler.CodeConflict,
			"this database was made by a newer Belfry (schema %d); this binary knows %d: "+
				"start the newer binary, or restore a backup from before the update", have, know)
	}
	for _, m := range applied {
		i := slices.IndexFunc(all, func(k migration) bool { return k.version == m.version })
		if i < 0 || all[i].sum != m.sum {
			return false, scheduler.Errorf(scheduler.CodeConflict,
				"schema step %d (%s) is not what this database was made with: "+
					"the file was changed after it had been applied, or the binary is another program's", m.version, m.name)
		}
	}
	return len(applied) == len(all), nil
}

// ensureLedger creates the table of applied steps. Servers that create it at once
// on PostgreSQL collide in its catalogue, whatever IF NOT EXISTS says: the losers
// look again.
func ensureLedger(ctx context.Context, db *sql.DB) (err error) {
	for range 5 {
		_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_migrations (
			version BIGINT PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, applied_at BIGINT NOT NULL)`)
		if !createdMeanwhile(err) {
			break
		}
	}
	return err
}
