package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain/llm/llmtest"
)

// rig is what all faults share: a PostgreSQL and a Redis of their own, the scripted model, and the binary of this tree.
type rig struct {
	dir       string
	bitb      string
	pg        *cluster
	redisPort int
	redis     *process
	models    *models
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "bitb-faults-")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("FAULTS_KEEP") == "" { // the logs
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
	}
	must(t, os.Chmod(dir, 0o755)) // the server's user passes through
	go leaveNothing(dir)
	r := &rig{dir: dir, bitb: filepath.Join(dir, "bitb"), models: newModels(t)}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", r.bitb, "bitb/web").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	r.pg = newCluster(t, filepath.Join(dir, "pg"))
	r.pg.prepare(t, r.bitb)
	r.startRedis(t)
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// process is a program that was started here, with all it starts in a group of its own.
type process struct {
	*exec.Cmd
	exited chan struct{}
	err    error
}

// begin starts a program as somebody else, where there are two of us: PostgreSQL refuses to run as root.
func begin(cmd *exec.Cmd, as *syscall.Credential) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	if as != nil {
		cmd.Dir = "/"
	}
	p := &process{Cmd: cmd, exited: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	started.Store(p, true)
	go func() { p.err = cmd.Wait(); started.Delete(p); close(p.exited) }()
	return p, nil
}

// started are the programs that run.
var started sync.Map

// leaveNothing ends what was started when somebody ends the faults.
func leaveNothing(dir string) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	<-signals
	started.Range(func(p, _ any) bool {
		group := -p.(*process).Process.Pid
		_ = syscall.Kill(group, syscall.SIGCONT)
		_ = syscall.Kill(group, syscall.SIGQUIT) // PostgreSQL would leave its shared memory after SIGKILL
		return true
	})
	time.Sleep(time.Second)
	_ = os.RemoveAll(dir)
	os.Exit(1)
}

func (p *process) gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// end sends the signal and waits; false when it has not ended within limit.
func (p *process) end(sig syscall.Signal, limit time.Duration) bool {
	_ = p.Process.Signal(sig)
	select {
	case <-p.exited:
		return true
	case <-time.After(limit):
		return false
	}
}

// unprivileged is whom PostgreSQL runs as when we are root; nil: as ourselves.
func unprivileged(t testing.TB) *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	must(t, err)
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// cluster is a PostgreSQL server of our own.
type cluster struct {
	bin, data string
	port      int
	as        *syscall.Credential
	server    *process
}

func newCluster(t testing.TB, data string, options ...string) *cluster {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		t.Fatal("PostgreSQL is not installed; run deploy/local/services.sh install")
	}
	slices.Sort(found)
	c := &cluster{bin: filepath.Dir(found[len(found)-1]), data: data, port: freePort(t), as: unprivileged(t)}
	must(t, os.MkdirAll(data, 0o700))
	if c.as != nil {
		must(t, os.Chown(data, int(c.as.Uid), int(c.as.Gid)))
	}
	c.run(t, "initdb", append([]string{"-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"}, options...)...)
	conf := fmt.Sprintf("listen_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = ''\nmax_connections = 200\nshared_buffers = 256MB\n"+
		"jit = off\nmax_wal_size = 512MB\nwal_level = minimal\nmax_wal_senders = 0\nlogging_collector = off\nfsync = on\n", c.port)
	f, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString(conf)
	must(t, errors.Join(err, f.Close()))
	must(t, c.start())
	t.Cleanup(func() {
		c.signalAll(syscall.SIGCONT)
		if c.server != nil && !c.server.gone() {
			c.server.end(syscall.SIGQUIT, 20*time.Second)
		}
	})
	return c
}

// run runs one of PostgreSQL's programs to its end.
func (c *cluster) run(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// start returns when the server takes connections.
func (c *cluster) start() error {
	log, err := os.OpenFile(c.data+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(c.bin, "postgres"), "-D", c.data)
	cmd.Stdout, cmd.Stderr = log, log
	if c.server, err = begin(cmd, c.as); err != nil {
		return err
	}
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if c.up() {
			return nil
		}
		if c.server.gone() {
			break
		}
	}
	text, _ := os.ReadFile(c.data + ".log")
	return fmt.Errorf("PostgreSQL did not start: %s", text[max(0, len(text)-1000):])
}

func (c *cluster) up() bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.url("postgres", "postgres"))
	if err != nil {
		return false
	}
	_ = conn.Close(ctx)
	return true
}

// signalAll signals the server and all its backends.
func (c *cluster) signalAll(sig syscall.Signal) {
	if c.server == nil || c.server.gone() {
		return
	}
	_ = c.server.Process.Signal(sig)
	for _, pid := range childrenOf(c.server.Process.Pid) {
		_ = syscall.Kill(pid, sig)
	}
}

func (c *cluster) url(user, database string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", user, c.port, database)
}

// prepare makes the database that all others are copied from, with the program's own command.
func (c *cluster) prepare(t testing.TB, bitb string) {
	t.Helper()
	c.exec(t, "postgres", "create role bitb_app login nosuperuser nocreatedb nocreaterole nobypassrls")
	c.exec(t, "postgres", "create database migrated")
	if out, err := c.migrate(bitb, "migrated").CombinedOutput(); err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
}

func (c *cluster) migrate(bitb, database string) *exec.Cmd {
	cmd := exec.Command(bitb, "migrate")
	cmd.Dir = filepath.Dir(bitb)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+c.url("bitb_app", database), "BITB_MIGRATE_DATABASE_URL="+c.url("postgres", database), "REDIS_URL=redis://127.0.0.1:1")
	return cmd
}

func (c *cluster) exec(t testing.TB, database, sql string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.url("postgres", database))
	must(t, err)
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// childrenOf lists the processes that have pid as their parent.
func childrenOf(pid int) (children []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			children = append(children, child)
		}
	}
	return children
}

func (r *rig) startRedis(t testing.TB) {
	t.Helper()
	if r.redisPort == 0 {
		r.redisPort = freePort(t)
		t.Cleanup(func() {
			_ = r.redis.Process.Signal(syscall.SIGCONT)
			r.redis.end(syscall.SIGKILL, 5*time.Second)
		})
	}
	var err error
	r.redis, err = begin(exec.Command("redis-server", "--port", strconv.Itoa(r.redisPort), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--maxmemory", "128mb", "--maxmemory-policy", "allkeys-lru", "--dir", r.dir), nil)
	must(t, err)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", r.redisAddress()); err == nil {
			_ = c.Close()
			return
		}
	}
	t.Fatal("Redis did not start")
}

func (r *rig) redisAddress() string { return fmt.Sprintf("127.0.0.1:%d", r.redisPort) }

// freePort finds one below those that outgoing connections take.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 12_000 + rand.IntN(20_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// models is one address behind which chat, embedding and re-ranking fail apart from each other.
type models struct {
	chat, embed, rerank *llmtest.Server
	server              *http.Server
	address             string
	active              atomic.Int64
}

const vectorDims = 256 // a size that is stored as it is

func newModels(t *testing.T) *models {
	t.Helper()
	m := &models{chat: llmtest.New(t), embed: llmtest.New(t), rerank: llmtest.New(t)}
	m.embed.Embed.Dims = vectorDims
	m.chat.Chat.Pace(2 * time.Millisecond)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	m.address = l.Addr().String()
	m.server = &http.Server{Handler: m}
	go func() { _ = m.server.Serve(l) }()
	t.Cleanup(func() { _ = m.server.Close() })
	return m
}

func (m *models) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.active.Add(1)
	defer m.active.Add(-1)
	switch {
	case strings.HasSuffix(r.URL.Path, "/embeddings"):
		m.embed.ServeHTTP(w, r)
	case strings.HasSuffix(r.URL.Path, "/rerank"):
		m.rerank.ServeHTTP(w, r)
	default:
		m.chat.ServeHTTP(w, r)
	}
}

func (m *models) heal() { m.chat.Heal(); m.embed.Heal(); m.rerank.Heal() }

// proxy passes bytes on, and does harm on order.
type proxy struct {
	net.Listener
	target string

	lock   sync.Mutex
	conns  map[net.Conn]bool
	refuse bool
	frozen chan struct{} // open while nothing is passed; nil: all is

	left  atomic.Int64 // pieces that clients send until the fault; 0 and less: none
	after atomic.Bool  // the piece arrives, and its answer is lost
	fired atomic.Int64
	late  atomic.Bool // each answer comes one question later
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &proxy{Listener: l, target: target, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = l.Close(); p.freeze(false); p.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.pass(c)
		}
	}()
	return p
}

func (p *proxy) pass(client net.Conn) {
	defer client.Close()
	p.lock.Lock()
	refuse := p.refuse
	p.lock.Unlock()
	if refuse {
		return
	}
	p.wait()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	p.know(client, server)
	defer p.forget(client, server)
	var lose atomic.Bool
	go func() {
		defer client.Close()
		defer server.Close()
		if p.late.Load() {
			p.copyLate(client, server)
			return
		}
		p.copy(client, server, func() bool { return !lose.Load() })
	}()
	p.copy(server, client, func() bool {
		if p.left.Add(-1) != 0 {
			return true
		}
		p.fired.Add(1)
		lose.Store(p.after.Load())
		return p.after.Load()
	})
}

// copy passes pieces on until one end closes, or allow says no to one.
func (p *proxy) copy(to, from net.Conn, allow func() bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p.wait()
		if !allow() {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// copyLate answers the first question with nothing, and each other with what was to be the answer to the one before.
func (p *proxy) copyLate(to, from net.Conn) {
	held, buf := []byte("$-1\r\n"), make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if _, err := to.Write(held); err != nil {
			return
		}
		held = append([]byte{}, buf[:n]...)
	}
}

func (p *proxy) know(conns ...net.Conn) {
	p.lock.Lock()
	defer p.lock.Unlock()
	for _, c := range conns {
		p.conns[c] = true
	}
}

func (p *proxy) forget(conns ...net.Conn) {
	p.lock.Lock()
	defer p.lock.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}

// arm has the n-th piece from now on fail: before it arrives, or after.
func (p *proxy) arm(n int64, after bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.after.Store(after)
	p.left.Store(n)
}

// cut closes all connections.
func (p *proxy) cut() {
	p.lock.Lock()
	defer p.lock.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// freeze holds all bytes back, or lets them go on.
func (p *proxy) freeze(on bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if on && p.frozen == nil {
		p.frozen = make(chan struct{})
	} else if !on && p.frozen != nil {
		close(p.frozen)
		p.frozen = nil
	}
}

func (p *proxy) wait() {
	p.lock.Lock()
	frozen := p.frozen
	p.lock.Unlock()
	if frozen != nil {
		<-frozen
	}
}
