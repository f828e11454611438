package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"bitb/domain"
	"bitb/domain/llm/llmtest"
)

// clientGone leaves in the middle, five hundred times of an upload and five hundred times of an answer.
func clientGone(r *run) {
	w := r.newWorld()
	w.settle(4, 40)
	files := w.files()
	each := func(n int, do func(i int)) {
		var group sync.WaitGroup
		turns := make(chan struct{}, 20)
		for i := range n {
			turns <- struct{}{}
			group.Go(func() { do(i); <-turns })
		}
		group.Wait()
	}
	w.settled()
	before := w.holdings()
	each(500, func(i int) { w.leaveUpload(w.apps[i%2], w.tenants[i%4]) })
	release := w.models.chat.Chat.HoldAfter(3)
	each(500, func(i int) { w.leaveAnswer(w.apps[i%2], w.tenants[i%4], w.tenants[i%4].visitors[i/4%40], i) })
	from := time.Now()
	w.until(10*time.Second, 10*time.Millisecond, func() bool { return w.models.active.Load() == 0 })
	w.within("the models were let go after", time.Since(from), time.Second)
	release()
	if now := w.files(); len(now) > len(files) {
		w.miss("files are left: %v", now)
	}
	if n := w.count("select count(*) from documents where name = 'left.md'"); n > 0 {
		w.miss("%d documents of uploads that broke off", n)
	}
	w.leaks(before)
	w.note("%d answers kept as interrupted", w.count("select count(*) from messages where status = 'interrupted'"))
	l := &load{world: w, stop: func() {}}
	l.check(0)
}

// files lists what lies in the temporary directory of the instances.
func (w *world) files() (names []string) {
	entries, err := os.ReadDir(w.dir)
	must(w, err)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "app-") {
			names = append(names, e.Name())
		}
	}
	return names
}

func (w *world) leaveUpload(a *app, t *tenant) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		w.miss("%v", err)
		return
	}
	defer conn.Close()
	req, _ := http.NewRequest(http.MethodGet, a.url, nil)
	var cookies []string
	for _, c := range t.member.Jar.Cookies(req.URL) {
		cookies = append(cookies, c.String())
	}
	fmt.Fprintf(conn, "POST /documents HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nCookie: %s\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 500000\r\n\r\n"+
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"left.md\"\r\n\r\n%s", strings.Join(cookies, "; "), bytes.Repeat([]byte("word "), 20_000))
	time.Sleep(20 * time.Millisecond)
}

func (w *world) leaveAnswer(a *app, t *tenant, v *visitor, n int) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	body, _ := json.Marshal(map[string]string{"id": domain.NewID().String(), "question": fmt.Sprintf("What is the storage code of the depot, asked and left %d?", n)})
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, a.url+"/widget/v1/bots/"+t.bot+"/messages", bytes.NewReader(body))
	req.Header = http.Header{"Origin": {site}, "X-Forwarded-For": {v.address}, "Authorization": {"Bearer " + v.token}, "Content-Type": {"application/json"}, "Accept": {"text/event-stream"}}
	resp, err := plain.Do(req)
	if err != nil {
		w.miss("%v", err)
		return
	}
	defer resp.Body.Close()
	var got bytes.Buffer
	buf := make([]byte, 1024)
	for !bytes.Contains(got.Bytes(), []byte("event: delta")) {
		n, err := resp.Body.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			break
		}
	}
	if !bytes.Contains(got.Bytes(), []byte("event: delta")) {
		w.miss("no answer to leave: %s %.200s", resp.Status, got.Bytes())
	}
}

// redisConfused empties Redis, and then has it answer each question with the answer to the one before.
func redisConfused(r *run) {
	w := r.newWorld()
	w.settle(4, 40)
	l := w.startLoad()
	time.Sleep(3 * time.Second)
	w.during(func() {
		for range 60 {
			c, err := net.Dial("tcp", w.redisAddress())
			must(w, err)
			_, _ = c.Write([]byte("FLUSHALL\r\n"))
			_, _ = io.ReadFull(c, make([]byte, 5))
			_ = c.Close()
			time.Sleep(100 * time.Millisecond)
		}
		w.redis.late.Store(true)
		w.redis.cut()
		time.Sleep(10 * time.Second)
		w.redis.late.Store(false)
		w.redis.cut()
	})
	time.Sleep(2 * time.Second)
	l.check(0)
	all := l.sum(func(*act) bool { return true })
	if w.note("all: %s", all); all.failed > 0 {
		w.miss("somebody noticed: %s", all)
	}
}

// deadlocks has the database give up every thirtieth write of a message, a document or its chunks.
func deadlocks(r *run) {
	w := r.newWorld()
	w.settle(4, 40)
	w.rig.pg.exec(w, w.database, `create sequence public.writes; grant usage on sequence public.writes to bitb_app, bitb_system;
		create function public.give_up() returns trigger language plpgsql as $$ declare n bigint := nextval('public.writes'); begin
			if n % 30 = 0 then raise exception 'given up' using errcode = case when n % 60 = 0 then '40P01' else '40001' end; end if; return null; end $$`)
	for _, table := range []string{"messages", "documents", "document_files", "conversations", "chunks", "retrievals"} {
		w.rig.pg.exec(w, w.database, "create trigger give_up after insert or update on "+table+" for each statement execute function public.give_up()")
	}
	l := w.startLoad()
	w.during(func() { time.Sleep(15 * time.Second) })
	for _, table := range []string{"messages", "documents", "document_files", "conversations", "chunks", "retrievals"} {
		w.rig.pg.exec(w, w.database, "drop trigger give_up on "+table)
	}
	given := w.count("select last_value / 30 from public.writes")
	w.rig.pg.exec(w, w.database, "drop function public.give_up(); drop sequence public.writes")
	l.check(0)
	w.note("%d given up", given)
	all := l.sum(func(*act) bool { return true })
	w.note("all: %s", all)
	if 200*all.failed > all.n { // three tries in a row may all meet one
		w.miss("%d of %d noticed", all.failed, all.n)
	}
}

func rerankerHangs(r *run) {
	w := r.newWorld("BITB_RERANK_URL="+"http://"+r.models.address+"/v2/rerank", "BITB_RERANK_MODEL=scripted", "BITB_RERANK_KEY="+r.models.rerank.Key)
	w.settle(2, 40)
	defer w.models.heal()
	for name, fault := range map[string]llmtest.Fault{"hangs": llmtest.Hang(), "500": llmtest.Status(500)} {
		w.models.rerank.FailAll(fault)
		var first, last time.Duration
		for i := range 40 {
			_, took, _, err := w.question(i, "re-ranked, "+name)
			if err != nil {
				w.miss("%s: %v", name, err)
			}
			if last = took; i < 10 {
				first = max(first, took)
			}
		}
		w.models.heal()
		w.within(name+": an answer at first", first, 3*time.Second)
		w.within("later", last, time.Second)
		time.Sleep(16 * time.Second) // until it is probed
	}
	l := &load{world: w, stop: func() {}}
	l.check(0)
}

// leaderKilled kills the instance that looks after the queue while documents wait for their time.
func leaderKilled(r *run) {
	w := r.newWorld()
	w.settle(2, 1)
	defer w.models.heal()
	w.models.embed.FailAll(llmtest.Status(503))
	l := &load{world: w, stop: func() {}}
	for i := range 10 {
		l.carryOut(l.keep(&act{kind: uploading, tenant: w.tenants[i%2], app: w.apps[0], text: fmt.Sprintf("later-%d.md", i), content: handbook(2, domain.NewID().String())}))
	}
	w.until(20*time.Second, 50*time.Millisecond, func() bool { return w.count("select count(*) from documents where waits_for <> ''") > 0 })
	var leader string
	w.row([]any{&leader}, "select leader_id from river.river_leader limit 1")
	w.models.heal()
	from := time.Now()
	dead := w.apps[0]
	for _, a := range w.apps { // the leader is one of the two; each names itself in its lease
		a.end(syscall.SIGKILL, 5*time.Second)
		if !w.until(3*time.Second, 100*time.Millisecond, func() bool {
			return w.count("select count(*) from pg_locks where locktype = 'advisory' and ((classid::bigint << 32) | objid::bigint) = hashtextextended($1, 0)", leader) > 0
		}) {
			dead = a
			break
		}
		w.restart(a)
	}
	w.everythingEnds(2 * time.Minute)
	w.within("all ready after", time.Since(from), 40*time.Second)
	w.restart(dead)
	w.note("not applicable in part: no crawler; documents that waited for their time play its part, and the hourly clean-up only deletes what is over")
	l.check(0)
}

func starved(r *run) {
	w := r.newWorld()
	w.settle(4, 40)
	poor := w.apps[0]
	poor.end(syscall.SIGTERM, 40*time.Second)
	must(w, w.begin(poor, "prlimit", "--nofile=256:256", "--data=536870912", w.bitb, "serve"))
	if !w.ready(poor, 30*time.Second) {
		w.Fatal("it does not start with so little")
	}
	l := w.startLoad()
	time.Sleep(3 * time.Second)
	shed := 0
	w.during(func() {
		var idle []net.Conn
		for range 400 {
			if c, err := net.DialTimeout("tcp", strings.TrimPrefix(poor.url, "http://"), time.Second); err == nil {
				idle = append(idle, c)
			}
		}
		for _, c := range idle[max(0, len(idle)-50):] {
			_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
			buf := make([]byte, 64)
			n, _ := c.Read(buf)
			if strings.HasPrefix(string(buf[:n]), "HTTP/1.1 503") {
				shed++
			}
		}
		time.Sleep(8 * time.Second)
		for _, c := range idle {
			_ = c.Close()
		}
	})
	time.Sleep(5 * time.Second)
	l.check(5 * time.Second)
	if w.note("of the last 50 connections %d were told 503; all: %s", shed, l.sum(func(*act) bool { return true })); poor.gone() {
		w.miss("it crashed")
	}
	if shed == 0 {
		w.miss("nothing is shed")
	}
}

// made runs another target of the Makefile, if there is one.
func made(r *run, target string) {
	root, _ := filepath.Abs(filepath.Join("..", ".."))
	if exec.Command("make", "-C", root, "-n", target).Run() != nil {
		r.verdict = "not here yet"
		r.note("there is no `make %s` in this tree", target)
		return
	}
	out, err := exec.Command("make", "-C", root, target).CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, line := range lines[max(0, len(lines)-6):] {
		r.note("%s", strings.TrimSpace(line))
	}
	if err != nil {
		r.miss("`make %s`: %v", target, err)
	}
}

func switched(r *run) { made(r, "switches") }
func disaster(r *run) { made(r, "disaster") }

// migrations migrates new databases twice at once, and cuts one off again and again, while two instances serve another.
func migrations(r *run) {
	w := r.newWorld()
	w.settle(1, 10)
	l := w.startLoad()
	l.files = 0
	fresh := func() string {
		name := "m" + strings.ReplaceAll(domain.NewID().String(), "-", "")
		w.rig.pg.exec(w, "postgres", "create database "+name)
		w.Cleanup(func() { w.rig.pg.exec(w, "postgres", "drop database if exists "+name+" with (force)") })
		return name
	}
	twice := fresh()
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			if out, err := w.rig.pg.migrate(w.bitb, twice).CombinedOutput(); err != nil {
				w.miss("two at once: %s", out)
			}
		})
	}
	group.Wait()
	cut, through := fresh(), newProxy(w, fmt.Sprintf("127.0.0.1:%d", w.rig.pg.port))
	cuts := 0
	for i := range int64(10) {
		through.arm(6+9*i, i%2 == 0)
		cmd := w.rig.pg.migrate(w.bitb, cut)
		for j, v := range cmd.Env {
			cmd.Env[j] = strings.ReplaceAll(v, fmt.Sprintf("127.0.0.1:%d/", w.rig.pg.port), through.Addr().String()+"/")
		}
		if cmd.Run() != nil {
			cuts++
		}
		through.left.Store(0)
	}
	if out, err := w.rig.pg.migrate(w.bitb, cut).CombinedOutput(); err != nil {
		w.miss("after being cut off %d times: %s", cuts, out)
	}
	w.note("cut off %d times, then through", cuts)
	shapes := map[string]string{}
	for _, name := range []string{"migrated", twice, cut} {
		c := &world{run: r, database: name}
		var shape string
		c.row([]any{&shape}, `select md5(string_agg(format('%s.%s.%s %s', table_schema, table_name, column_name, data_type), ',' order by table_schema, table_name, column_name))
			|| (select count(*) from pg_policies) || ' ' || (select max(version_id) from meta.goose_db_version)
			from information_schema.columns where table_schema not in ('pg_catalog', 'information_schema')`)
		shapes[shape] = name
	}
	if len(shapes) != 1 {
		w.miss("the schemas differ: %v", shapes)
	}
	l.check(0)
	w.note("meanwhile: %s", l.sum(func(*act) bool { return true }))
}

func diskFull(r *run) {
	if os.Getuid() != 0 {
		r.verdict = "not possible here"
		r.note("mounting a volume of 64 MB needs root")
		return
	}
	data, wal := filepath.Join(r.dir, "small"), filepath.Join(r.dir, "small-wal")
	for dir, size := range map[string]string{data: "160m", wal: "64m"} {
		must(r, os.MkdirAll(dir, 0o755))
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755,size="+size); err != nil {
			r.verdict = "not possible here"
			r.note("mounting a small volume is refused: %v", err)
			return
		}
		r.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
		as := unprivileged(r)
		must(r, os.Chown(dir, int(as.Uid), int(as.Gid)))
	}
	own := *r.rig
	shared := r.rig
	r.Cleanup(func() { r.rig = shared })
	own.pg = newCluster(r, filepath.Join(data, "pg"), "--waldir="+filepath.Join(wal, "wal"), "--wal-segsize=1")
	r.rig = &own
	own.pg.exec(r, "postgres", "alter system set max_wal_size = '16MB'; ")
	own.pg.exec(r, "postgres", "alter system set min_wal_size = '2MB'")
	own.pg.exec(r, "postgres", "select pg_reload_conf()")
	own.pg.prepare(r, r.bitb)
	w := r.newWorld()
	w.settle(1, 1)
	w.fullData(data)
	w.fullWAL(wal)
	l := &load{world: w, stop: func() {}}
	l.carryOut(l.keep(&act{kind: uploading, tenant: w.tenants[0], app: w.apps[0], text: "after.md", content: handbook(2, "after")}))
	l.check(time.Hour)
	w.rig.pg.exec(w, w.database, "create extension if not exists amcheck")
	out := w.rig.pg.run(w, "pg_amcheck", "-h", "127.0.0.1", "-p", fmt.Sprint(w.rig.pg.port), "-U", "postgres", "--heapallindexed", "-d", w.database)
	w.note("pg_amcheck: %q", strings.TrimSpace(out))
}

// fill takes all the space of a volume but so much.
func (w *world) fill(dir string, leave int64) (free func()) {
	var st syscall.Statfs_t
	must(w, syscall.Statfs(dir, &st))
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	must(w, err)
	defer f.Close()
	must(w, syscall.Fallocate(int(f.Fd()), 0, 0, max(1, int64(st.Bavail)*st.Bsize-leave)))
	return func() { _ = os.Remove(ballast) }
}

func (w *world) fullData(dir string) {
	w.Helper()
	free := w.fill(dir, 1<<20)
	big := handbook(6000, "full") // some 7 MB
	_, err := w.sendFile(w.apps[0], w.tenants[0], "full.md", big, "")
	free()
	w.note("data full: %.60v", err)
	if statusOf(err) != http.StatusInsufficientStorage {
		w.miss("with the data's volume full: %v", err)
	}
	if n := w.count("select (select count(*) from documents where name = 'full.md') + (select count(*) from document_files where name = 'full.md')"); n != 0 {
		w.miss("%d rows of a file that was refused", n)
	}
}

func (w *world) fullWAL(dir string) {
	w.Helper()
	free := w.fill(dir, 0)
	var err error
	for i := range 40 {
		if _, err = w.sendFile(w.apps[0], w.tenants[0], "wal.md", handbook(1500, fmt.Sprint("wal", i)), ""); err != nil {
			break
		}
	}
	if err == nil {
		w.miss("the WAL's volume was not full")
	}
	time.Sleep(2 * time.Second)
	w.note("WAL full: %.60v, PostgreSQL ended: %v", err, w.rig.pg.server.gone())
	if statusOf(err) == http.StatusInternalServerError {
		w.miss("told %v", err)
	}
	free()
	from := time.Now()
	if w.rig.pg.server.gone() { // who runs it starts it again
		must(w, w.rig.pg.start())
	}
	if !w.until(60*time.Second, 100*time.Millisecond, func() bool { return status(w.apps[0].url+"/readyz", 3*time.Second) == http.StatusOK }) {
		w.miss("not back after 60 s")
	}
	w.within("back after", time.Since(from), 60*time.Second)
	w.everythingEnds(2 * time.Minute)
}

// limitMemory lets a process have 16 MB, which is not enough.
func limitMemory(pid int) error {
	return exec.Command("prlimit", "--pid", fmt.Sprint(pid), "--data=16777216").Run()
}
