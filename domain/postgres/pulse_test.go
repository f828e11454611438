package postgres_test

import (
	"context"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/postgres"
)

// A deadlock, and a connection that breaks before the commit, leave nothing behind, so the transaction is carried out again.
func TestTriedAgain(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	tenantID := db.Tenant(t)
	const deadlock = "do $$ begin raise exception using errcode = '40P01'; end $$"
	const wrong = "do $$ begin raise exception using errcode = '22012'; end $$"
	const broken = "select 'broken'"
	for _, c := range []struct {
		sql         string
		fails, want int
		code        domain.Code
	}{{deadlock, 2, 3, ""}, {deadlock, 9, 3, domain.Unavailable}, {broken, 1, 2, ""}, {wrong, 9, 1, domain.Internal}} {
		tries := 0
		err := db.InTenant(t.Context(), tenantID, func(tx pgx.Tx) error {
			if tries++; tries > c.fails {
				return nil
			}
			if c.sql == broken {
				db.Exec(t, "select pg_terminate_backend($1, 5000)", tx.Conn().PgConn().PID())
			}
			_, err := tx.Exec(t.Context(), c.sql)
			return err
		})
		if tries != c.want || domain.CodeOf(err) != c.code {
			t.Errorf("%s, %d times: carried out %d times, %v", c.sql, c.fails, tries, err)
		}
	}
}

// frozen passes on to a server until it is told to hold everything back.
func frozen(t *testing.T, to string) (address string, freeze, thaw func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var gate sync.RWMutex
	pass := func(to, from net.Conn) {
		defer to.Close()
		buf := make([]byte, 4096)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			gate.RLock()
			_, err = to.Write(buf[:n])
			gate.RUnlock()
			if err != nil {
				return
			}
		}
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			go pass(client, server)
			go pass(server, client)
		}
	}()
	return l.Addr().String(), gate.Lock, gate.Unlock
}

// When the server hangs, who waits for it is told within three seconds, who comes then at once, and all is well when it goes on.
func TestSilence(t *testing.T) {
	t.Parallel()
	scratch := dbtest.New(t)
	u, err := url.Parse(scratch.URL)
	if err != nil {
		t.Fatal(err)
	}
	var freeze, thaw func()
	u.Host, freeze, thaw = frozen(t, u.Host)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: u.String(), AllowPrivileged: true, MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tenantID := scratch.Tenant(t)
	look := func(sql string) (time.Duration, error) {
		from := time.Now()
		err := db.InTenant(t.Context(), tenantID, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), sql)
			return err
		})
		return time.Since(from), err
	}
	if took, err := look("select pg_sleep(3)"); err != nil {
		t.Errorf("a slow statement on a server that answers: %v after %s", err, took)
	}
	var tries int
	from := time.Now()
	err = db.InTenant(t.Context(), tenantID, func(tx pgx.Tx) error {
		if tries++; tries == 1 {
			freeze()
		}
		_, err := tx.Exec(t.Context(), "select 1")
		return err
	})
	if took := time.Since(from); domain.CodeOf(err) != domain.Unavailable || took > 10*time.Second || tries != 1 {
		t.Errorf("begun before it hung: %v after %s and %d tries", err, took, tries)
	}
	if took, err := look("select 1"); domain.CodeOf(err) != domain.Unavailable || took > 10*time.Second {
		t.Errorf("while it hangs: %v after %s", err, took)
	}
	dbtest.Eventually(t, 10*time.Second, "nobody to wait any more", func() bool {
		took, err := look("select 1")
		return err != nil && took < 100*time.Millisecond
	})
	if err := db.Ping(context.Background()); domain.CodeOf(err) != domain.Unavailable {
		t.Errorf("ready while it hangs: %v", err)
	}
	thaw()
	dbtest.Eventually(t, 10*time.Second, "it to be used again", func() bool {
		_, err := look("select 1")
		return err == nil
	})
}
