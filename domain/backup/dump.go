package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// takeDump writes the product's schemas with pg_dump, from one snapshot, in which the rows are counted too. pg_dump turns
// row_security off: a role that does not see all rows fails instead of dumping a part.
func (s *Service) takeDump(ctx context.Context, conn *pgx.Conn, m *Manifest) (stored sealed, err error) {
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var snapshot string
		if err := tx.QueryRow(ctx, "select pg_export_snapshot()").Scan(&snapshot); err != nil {
			return fmt.Errorf("hold a snapshot: %w", err)
		}
		schemas, err := ownSchemas(ctx, tx)
		if err != nil {
			return err
		}
		if m.Source, err = readSource(ctx, tx.Conn()); err != nil {
			return err
		}
		args := []string{"--format=custom", "--compress=0", "--no-password", "--snapshot=" + snapshot}
		for _, schema := range schemas {
			args = append(args, "--schema="+pgx.Identifier{schema}.Sanitize())
		}
		stored, err = s.put(ctx, m.File, func(w io.Writer) error { return runTool(ctx, m.Major, "pg_dump", s.SourceURL(), w, args...) })
		return err
	})
	return stored, err
}

// ownSchemas are those in which the product has tables; a managed service has others of its own beside them.
func ownSchemas(ctx context.Context, tx pgx.Tx) ([]string, error) {
	rows, err := tx.Query(ctx, "select distinct n.nspname::text "+strings.TrimPrefix(ownTables, "select format('%I.%I', n.nspname, c.relname)")+" order by 1")
	if err != nil {
		return nil, fmt.Errorf("list the schemas: %w", err)
	}
	schemas, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && len(schemas) == 0 {
		err = errors.New("the database has no tables of BITB; run `bitb migrate` first, or see whether BITB_BACKUP_DATABASE_URL names the right one")
	}
	return schemas, err
}

// runTool runs one of PostgreSQL's client programs against a database and gives what it says when it fails.
func runTool(ctx context.Context, major int, name, databaseURL string, stdout io.Writer, args ...string) error {
	program, err := tool(major, name)
	if err != nil {
		return err
	}
	env, err := toolEnvironment(databaseURL)
	if err != nil {
		return err
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), stdout, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, lastLines(said.String()))
	}
	return nil
}

// tool finds a program of PostgreSQL: where Debian and Ubuntu put those of a version, or in the PATH.
func tool(major int, name string) (string, error) {
	dir := filepath.Join("/usr/lib/postgresql", strconv.Itoa(major), "bin", name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is not here; install PostgreSQL %d's programs (Debian and Ubuntu: postgresql-client-%d, and postgresql-%d to restore)", name, major, major, major)
	}
	return path, nil
}

// toolEnvironment hands an address to PostgreSQL's programs where no list of processes shows the password.
func toolEnvironment(databaseURL string) ([]string, error) {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, errors.New("the database address cannot be read")
	}
	env := []string{"PGHOST=" + config.Host, "PGPORT=" + strconv.Itoa(int(config.Port)), "PGUSER=" + config.User, "PGDATABASE=" + config.Database,
		"PGPASSWORD=" + config.Password, "PGAPPNAME=bitb backup"}
	if u, err := url.Parse(databaseURL); err == nil {
		for option, variable := range map[string]string{"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"} {
			if v := u.Query().Get(option); v != "" {
				env = append(env, variable+"="+v)
			}
		}
	}
	return env, nil
}

func lastLines(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// dumpRedis has Redis hand out a snapshot, as it does to a replica.
func (s *Service) dumpRedis(ctx context.Context) func(io.Writer) error {
	return func(w io.Writer) error {
		u, err := url.Parse(s.RedisURL())
		if err != nil || u.Host == "" {
			return errors.New("REDIS_URL cannot be read as a Redis address")
		}
		program, err := exec.LookPath("redis-cli")
		if err != nil {
			return errors.New("redis-cli is not here (Debian and Ubuntu: redis-tools)")
		}
		args := []string{"-h", u.Hostname(), "--rdb", "-"}
		if u.Port() != "" {
			args = append(args, "-p", u.Port())
		}
		if u.User.Username() != "" {
			args = append(args, "--user", u.User.Username())
		}
		if u.Scheme == "rediss" {
			args = append(args, "--tls")
		}
		var said bytes.Buffer
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env, cmd.Stdout, cmd.Stderr = os.Environ(), w, &said
		if password, ok := u.User.Password(); ok {
			cmd.Env = append(cmd.Env, "REDISCLI_AUTH="+password) // where no list of processes shows it
		}
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("redis-cli: %w: %s", err, lastLines(said.String()))
		}
		return nil
	}
}
