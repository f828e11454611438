package doctor

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"time"

	"bitb/domain"
	"bitb/domain/postgres"
)

// Catalog goes through the rules of isolation in the database's catalog.
func Catalog(db *postgres.DB) func(context.Context) Result {
	return func(ctx context.Context) Result {
		found, err := db.Lint(ctx)
		if err != nil {
			return lookFailed(err)
		}
		if len(found) > 0 {
			return Fail("The catalog breaks %s: %s.", plural(len(found), "rule", "rules"), few(found)).
				Doing("Row-level security has a hole. Take the server offline, then undo what was changed by hand and run `bitb migrate`; docs/adr/0002-isolation.md says what must be so.")
		}
		return Pass("Row-level security is enabled, forced and the same on all tables; no rule of the catalog is broken.")
	}
}

// Behaviour looks into every table as a stranger would. tenants gives one that has rows, or none.
func Behaviour(db *postgres.DB, tenants func(context.Context) (domain.ID, error)) func(context.Context) Result {
	return func(ctx context.Context) Result {
		tenant, err := tenants(ctx)
		if err != nil {
			return lookFailed(err)
		}
		p, err := db.Probe(ctx, tenant)
		switch {
		case err != nil:
			return lookFailed(err)
		case len(p.Leaks) > 0:
			return Fail("Rows are seen that must not be: %s.", few(p.Leaks)).
				Doing("Take the server offline: tenants can read each other. `bitb migrate` names the table's defect.")
		case p.Filled == 0:
			return NA("There is no tenant yet, so there was no row that could have been seen in any of the %d tables. Sign up, then look again.", len(p.Tables))
		}
		return Pass("Nothing is seen without a tenant or as another one, in %d tables, of which %d hold rows of a tenant.", len(p.Tables), p.Filled)
	}
}

// IDs wants a UUID for everything that has an id.
func IDs(db *postgres.DB) func(context.Context) Result {
	return func(ctx context.Context) Result {
		wrong, all, err := db.NotUUIDs(ctx)
		if err != nil {
			return lookFailed(err)
		}
		if len(wrong) > 0 {
			return Fail("%s is no UUID: %s.", plural(len(wrong), "id", "ids"), few(wrong)).Doing("A number can be counted and guessed. Undo what was changed by hand and run `bitb migrate`.")
		}
		return Pass("All %d columns with ids are UUIDs.", all)
	}
}

// Role wants a database role that can do no harm.
func Role(db *postgres.DB) func(context.Context) Result {
	return func(ctx context.Context) Result {
		role, excess, err := db.Excess(ctx)
		if err != nil {
			return lookFailed(err)
		}
		if len(excess) > 0 {
			return Fail("The server logs in as %s, which %s.", role, few(excess)).
				Doing("Let DATABASE_URL log in as bitb_app, which `bitb migrate` makes and which can do none of this.")
		}
		return Pass("The server logs in as %s: no superuser, no BYPASSRLS, owns nothing, cannot truncate.", role)
	}
}

// Encryption wants the database's connection encrypted where it leaves this machine.
func Encryption(db *postgres.DB, local bool) func(context.Context) Result {
	return func(ctx context.Context) Result {
		v, err := db.Versions(ctx)
		if err != nil {
			return lookFailed(err)
		}
		return judgeEncryption(v.Encrypted, local)
	}
}

func judgeEncryption(encrypted, local bool) Result {
	switch {
	case encrypted:
		return Pass("The connection to the database is encrypted.")
	case local:
		return NA("The database is on this machine: what is sent to it stays here.")
	}
	return Fail("What goes to the database and back is not encrypted.").Doing("Add sslmode=verify-full to DATABASE_URL, with sslrootcert if its certificate is of a private authority.")
}

// PostgresVersion wants PostgreSQL and pgvector at or above the floors of SECURITY.md: older ones have holes that are known.
func PostgresVersion(db *postgres.DB) func(context.Context) Result {
	return func(ctx context.Context) Result {
		v, err := db.Versions(ctx)
		if err != nil {
			return lookFailed(err)
		}
		return judgePostgres(v)
	}
}

// postgresFloors are the oldest releases of a major version without CVE-2025-8713; 18 came after it.
var postgresFloors = map[int]int{15: 150014, 16: 160010, 17: 170006}

const vectorFloor = "0.8.2" // CVE-2026-3172

func judgePostgres(v postgres.Versions) Result {
	major, _, _ := strings.Cut(v.Postgres, " ")
	floor, known := postgresFloors[v.Number/10_000]
	switch {
	case v.Number < 150_000 || known && v.Number < floor:
		return Fail("PostgreSQL is %s.", major).Doing("Install the newest minor release: 15.14, 16.10, 17.6 or 18 at least. It needs a restart and no migration.")
	case !AtLeast(v.Vector, vectorFloor):
		return Fail("pgvector is %s.", v.Vector).Doing("Install pgvector %s or later, then run `alter extension vector update` as its owner.", vectorFloor)
	}
	return Pass("PostgreSQL %s, pgvector %s.", major, v.Vector)
}

// Migrations wants all of the binary's migrations to have run.
func Migrations(db *postgres.DB, files fs.FS) func(context.Context) Result {
	return func(ctx context.Context) Result {
		pending, ahead, err := db.Pending(ctx, files)
		switch {
		case err != nil:
			return Fail("It cannot be read which migrations ran: %v.", err).Doing("Run `bitb migrate`.")
		case len(pending) > 0:
			return Fail("%s not run: %s.", plural(len(pending), "migration has", "migrations have"), few(pending)).Doing("Run `bitb migrate`.")
		case ahead > 0:
			return Pass("All have run, and %d of a newer version, with which this one works too.", ahead)
		}
		return Pass("All have run.")
	}
}

const mostSkew = time.Second

// Clock compares this machine's clock with the database's, by whose time everything is ordered.
func Clock(db *postgres.DB) func(context.Context) Result {
	return func(ctx context.Context) Result {
		ahead, give, err := db.Skew(ctx)
		if err != nil {
			return lookFailed(err)
		}
		return judgeSkew("the database", ahead, give)
	}
}

func judgeSkew(whose string, ahead, give time.Duration) Result {
	apart := max(ahead, -ahead)
	if apart > mostSkew+give {
		return Fail("This machine's clock and that of %s are %s apart.", whose, apart.Round(100*time.Millisecond)).
			Doing("Run a time service (chrony, systemd-timesyncd) on both. One-time codes of staff and sessions go by the clock.")
	}
	return Pass("At most %.2f s from that of %s.", max((apart+give).Seconds(), .01), whose)
}

// Processes wants two that serve and two that read documents, so that one may go.
func Processes(db *postgres.DB, laptop bool) func(context.Context) Result {
	return func(ctx context.Context) Result {
		all, err := db.Processes(ctx)
		if err != nil {
			return lookFailed(err)
		}
		return judgeProcesses(all, laptop)
	}
}

func judgeProcesses(all []postgres.Process, laptop bool) Result {
	web, work, machines := 0, 0, map[string]bool{}
	for _, p := range all {
		machines[p.Machine] = true
		role := strings.Fields(p.Name)[1] // "serve", "work" or "serve+work"
		if strings.Contains(role, "serve") {
			web++
		}
		if strings.Contains(role, "work") {
			work++
		}
	}
	found := plural(web, "process serves", "processes serve") + " and " + plural(work, "reads", "read") + " documents, on " + plural(len(machines), "machine", "machines")
	switch {
	case web == 0 || work == 0:
		return Fail("%s.", found).Doing("Start what is missing: `bitb serve`, and `bitb work` where that has BITB_WORKERS=0.")
	case web > 1:
		return Pass("%s.", found)
	case laptop:
		return NA("This is one machine: %s. Another one takes over only where there are two (docs/deploying.md).", found)
	}
	return Fail("%s: while it restarts nobody is served.", found).Doing("Run two with `bitb serve` behind the proxy; docs/deploying.md has compose and Kubernetes for it.")
}

// Backlog is how the queue of documents is, as ingest says it.
type Backlog struct {
	Waiting int           // turns that are due
	Oldest  time.Duration // since the one that waits longest was due
	Lost    int           // turns that were given up
}

const mostWait = 15 * time.Minute

// Queue wants documents to be read in time.
func Queue(look func(context.Context) (Backlog, error)) func(context.Context) Result {
	return func(ctx context.Context) Result {
		b, err := look(ctx)
		switch {
		case err != nil:
			return lookFailed(err)
		case b.Oldest > mostWait:
			return Fail("%s, one for %s.", plural(b.Waiting, "line of documents waits", "lines of documents wait"), age(b.Oldest)).
				Doing("See that a worker runs (`bitb work`, or `bitb serve` with BITB_WORKERS above 0) and what its log says; then add workers.")
		case b.Lost > 0:
			return Fail("%s given up in the last day.", plural(b.Lost, "turn of the queue was", "turns of the queue were")).
				Doing("Look for \"error\" in the workers' logs; the documents are read when somebody presses Retry.")
		case b.Waiting > 0:
			return Pass("%s, the oldest for %s.", plural(b.Waiting, "line waits", "lines wait"), age(b.Oldest))
		}
		return Pass("No document waits.")
	}
}

// lookFailed is a check that could not look.
func lookFailed(err error) Result {
	return Fail("It cannot be looked at: %v.", err).Doing("See that the database answers to DATABASE_URL, and whether `bitb migrate` has run.")
}

// Last is when something that has to happen again and again was done last.
type Last struct {
	At     time.Time // zero: never
	OK     bool
	Detail string // a few words of what was done
}

// Recent wants something to have been done, well, and not long ago. what is its name at the beginning of a sentence.
func Recent(what string, most time.Duration, do string, look func(context.Context) (Last, error)) func(context.Context) Result {
	return func(ctx context.Context) Result {
		last, err := look(ctx)
		since := time.Since(last.At)
		detail := ""
		if last.Detail != "" {
			detail = " (" + last.Detail + ")"
		}
		switch {
		case err != nil:
			return lookFailed(err)
		case last.At.IsZero():
			return Fail("%s was never made.", what).Doing(do)
		case !last.OK:
			return Fail("%s failed %s ago%s.", what, age(since), detail).Doing(do)
		case since > most:
			return Fail("%s is %s old%s; %s is the most.", what, age(since), detail, age(most)).Doing(do)
		}
		return Pass("%s is %s old%s.", what, age(since), detail)
	}
}

// Unless leaves a check out for a reason; "" makes it.
func Unless(why string, run func(context.Context) Result) func(context.Context) Result {
	if why == "" {
		return run
	}
	return func(context.Context) Result { return NA(why) }
}

// All says what is wrong in one line: every sentence, or that nothing is.
func All(wrong []string, fine, do string) Result {
	if len(wrong) == 0 {
		return Pass(fine)
	}
	slices.Sort(wrong)
	return Fail("%s.", strings.Join(wrong, "; ")).Doing(do)
}
