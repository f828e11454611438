package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// cluster is a PostgreSQL of its own for a drill: in a directory that goes, on a socket in it, with no network and no archive.
type cluster struct {
	dir   string // data and the socket lie in it
	major int
	port  int
	super string
}

func (c *cluster) data() string { return filepath.Join(c.dir, "data") }

// url is for a role and a database; whoever can reach the socket may be anybody.
func (c *cluster) url(role, database string) string {
	q := url.Values{"host": {c.dir}, "port": {strconv.Itoa(c.port)}, "user": {role}}
	return "postgres:///" + url.PathEscape(database) + "?" + q.Encode()
}

// newCluster makes the directory. PostgreSQL refuses to run as root, so root's belongs to the user that its packages make.
func newCluster(major int) (*cluster, error) {
	dir, err := os.MkdirTemp("", "bitb-drill-")
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, major: major, super: "postgres"}
	if who := serverUser(); who != nil {
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			return nil, err
		}
	} else if os.Geteuid() == 0 {
		return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres; run this as another user")
	}
	c.port, err = freePort()
	return c, err
}

func serverUser() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// freePort names the socket; nothing listens on the port itself.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (c *cluster) run(ctx context.Context, program string, args ...string) error {
	path, err := tool(c.major, program)
	if err != nil {
		return err
	}
	// The server inherits the output and keeps it open, so a pipe would never end: a file it is.
	said, err := os.CreateTemp("", "bitb-drill-log-")
	if err != nil {
		return err
	}
	defer os.Remove(said.Name())
	defer said.Close()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.dir, bare(os.Environ()), said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: serverUser()}
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(said.Name())
		log, _ := os.ReadFile(filepath.Join(c.dir, "server.log"))
		return fmt.Errorf("%s: %w: %s", program, err, lastLines(string(bytes.TrimSpace(text))+"\n"+string(log)))
	}
	return nil
}

// bare leaves of an environment what programs need to run. A restored copy runs what is in it, and whoever wrote that must not read the keys of
// this process there; nor must a variable such as PGPORT lead to another cluster.
func bare(environment []string) (left []string) {
	for _, variable := range environment {
		switch name, _, _ := strings.Cut(variable, "="); name {
		case "PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL", "LD_LIBRARY_PATH":
			left = append(left, variable)
		}
	}
	return left
}

// init makes an empty cluster, for a dump.
func (c *cluster) init(ctx context.Context) error {
	return c.run(ctx, "initdb", "-D", c.data(), "-U", c.super, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
}

// drillConf replaces the settings that the backup brought: a restored copy must not archive into the real archive, and must
// fit beside what else runs here. What processes share lies in a file: the /dev/shm of a container is smaller than what an index that is made
// in parallel asks for.
const drillConf = `listen_addresses = ''
unix_socket_directories = '%s'
port = %d
hba_file = '%s/hba.conf'
hot_standby = off
archive_mode = off
fsync = off
shared_buffers = 256MB
dynamic_shared_memory_type = mmap
maintenance_work_mem = 256MB
max_wal_size = 4GB
max_connections = 60
jit = off
`

// start starts the server and returns when it has recovered and takes statements.
func (c *cluster) start(ctx context.Context) error {
	conf := fmt.Sprintf(drillConf, c.dir, c.port, c.dir)
	for name, content := range map[string]string{"drill.conf": conf, "hba.conf": "local all,replication all trust\n"} {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o644); err != nil { //nolint:gosec // the server's user reads it
			return err
		}
	}
	if err := c.forgetSettings(); err != nil {
		return err
	}
	if who := serverUser(); who != nil {
		if err := chownAll(c.dir, int(who.Uid), int(who.Gid)); err != nil {
			return err
		}
	}
	options := "-c config_file=" + filepath.Join(c.dir, "drill.conf")
	if err := c.run(ctx, "pg_ctl", "-D", c.data(), "-o", options, "-l", filepath.Join(c.dir, "server.log"), "-s", "-w", "-t", "3600", "start"); err != nil {
		return err
	}
	return c.awaitRecovery(ctx)
}

// forgetSettings leaves of what ALTER SYSTEM set in the real cluster nothing but the recovery: it would go before drillConf, archiving too.
func (c *cluster) forgetSettings() error {
	auto := filepath.Join(c.data(), autoConf)
	content, err := os.ReadFile(auto)
	if err != nil {
		return err
	}
	recovery, _ := splitSettings(string(content))
	return os.WriteFile(auto, []byte(strings.Join(append(recovery, ""), "\n")), 0o600)
}

func (c *cluster) awaitRecovery(ctx context.Context) error {
	for {
		conn, err := pgx.Connect(ctx, c.url(c.super, "postgres"))
		if err == nil {
			var recovering bool
			err = conn.QueryRow(ctx, "select pg_is_in_recovery()").Scan(&recovering)
			conn.Close(ctx)
			if err == nil && !recovering {
				return nil
			}
		}
		if !c.alive() {
			log, _ := os.ReadFile(filepath.Join(c.dir, "server.log"))
			return fmt.Errorf("PostgreSQL did not recover: %s", lastLines(string(log)))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (c *cluster) alive() bool {
	_, err := os.Stat(filepath.Join(c.data(), "postmaster.pid"))
	return !errors.Is(err, fs.ErrNotExist)
}

// remove stops the server and deletes everything.
func (c *cluster) remove() error {
	var err error
	if c.alive() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err = c.run(ctx, "pg_ctl", "-D", c.data(), "-s", "-w", "-m", "immediate", "stop")
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}
