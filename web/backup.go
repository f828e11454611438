package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"bitb/domain"
	"bitb/domain/backup"
	"bitb/domain/document"
	"bitb/domain/postgres"
	"bitb/domain/retrieve"
	"bitb/domain/secret"
)

const backupUsage = `bitb backup [base|dump|redis] [--every 24h] [--stream]
                                 make a backup and remove old ones: a base where the database hands one out, else a dump;
                                 again and again with --every; --stream also archives WAL meanwhile
bitb backup stream               archive WAL as it is written
bitb backup wal PATH NAME        archive one WAL file: archive_command = 'bitb backup wal %p %f'
bitb backup list [--json]        what there is, and how far each can be restored
bitb backup prune                remove old backups now
bitb backup key                  make a key for BITB_BACKUP_KEYS

bitb restore --into DIR [--to TIME] [--backup ID]
                                 the newest base and the WAL since into a data directory, to a time or to the end
bitb restore --dump [--backup ID]
                                 the newest dump into the empty database of BITB_MIGRATE_DATABASE_URL
bitb drill [--backup ID] [--json]
                                 restore into a cluster of its own, check it, measure what it takes, throw it away`

// backupCommand is the commands backup, restore and drill (docs/backups.md).
func backupCommand(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	command, rest := args[0], args[1:]
	if command == "backup" && len(rest) > 0 && rest[0] == "key" {
		return newBackupKey(stdout)
	}
	c, err := loadBackupConfig(getenv)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: c.LogLevel}))
	b, done, err := newBackups(c, log)
	if err != nil {
		return err
	}
	defer done()
	o := backupOptions{Service: b, config: c, stdout: stdout}
	switch command {
	case "restore":
		return o.restore(ctx, rest)
	case "drill":
		return o.drill(ctx, rest)
	}
	return o.backup(ctx, rest)
}

// newBackups works without the database, where it is lost: then nothing is noted in it.
func newBackups(c Config, log *slog.Logger) (*backup.Service, func(), error) {
	notes := &notebook{settings: c.database("bitb backup", 2), log: log}
	notes.settings.Fresh = c.fresh("DATABASE_URL", c.DatabaseURL)
	bucket := backup.S3{Endpoint: c.BackupS3Endpoint, Region: c.BackupS3Region}
	if c.BackupS3Access != "" {
		access, key := c.fresh("BITB_BACKUP_S3_ACCESS_KEY", c.BackupS3Access), c.fresh("BITB_BACKUP_S3_SECRET_KEY", c.BackupS3Secret)
		bucket.Keys = func() (string, string) { return access(), key() }
	}
	s, err := backup.NewService(backup.Config{Place: c.BackupTo, S3: bucket, Keys: string(c.BackupKeys), Log: log,
		SourceURL: c.backupSource(), RedisURL: c.fresh("REDIS_URL", c.RedisURL), Notes: notes.open})
	if err != nil {
		return nil, nil, err
	}
	c.resolver.OnChange("BITB_BACKUP_KEYS", s.UseKeys)
	return s, notes.close, nil
}

// notebook is the database that backups are noted in. It may be away when they begin, and is opened when it is there: after a start of the
// whole machine nothing would be noted otherwise for as long as the service of backups runs.
type notebook struct {
	settings postgres.Config
	log      *slog.Logger

	mu sync.Mutex
	db *postgres.DB
}

func (n *notebook) open(ctx context.Context) *postgres.DB {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.db != nil || n.settings.URL == "" {
		return n.db
	}
	db, err := postgres.Open(ctx, n.settings)
	if err != nil {
		n.log.Warn("the database does not answer, so nothing is noted in it", "error", err)
		return nil
	}
	n.db = db
	return db
}

func (n *notebook) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.db != nil {
		n.db.Close()
	}
}

// backupSource is the address of the database to back up as it was last read, from the first setting that names it.
func (c Config) backupSource() func() string {
	for _, name := range []string{"BITB_BACKUP_DATABASE_URL", "BITB_MIGRATE_DATABASE_URL"} {
		if c.resolver.Value(name) != "" {
			return c.fresh(name, c.BackupDatabaseURL)
		}
	}
	return c.fresh("DATABASE_URL", c.BackupDatabaseURL)
}

// newBackupKey prints the key alone, so that it can be sent into a file, and beside it what it is.
func newBackupKey(stdout io.Writer) error {
	whole, public, err := backup.NewKey()
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "This is the key: who has it can read every backup, and without it nobody can. Keep it where the backups are not.\n"+
		"Its public half, enough for machines that only make backups: %s\n", public)
	_, err = fmt.Fprintln(stdout, whole)
	return err
}

type backupOptions struct {
	*backup.Service
	config Config
	stdout io.Writer
}

func (o backupOptions) keep() backup.Keep {
	return backup.Keep{Daily: o.config.BackupDaily, Weekly: o.config.BackupWeekly}
}

func (o backupOptions) backup(ctx context.Context, args []string) error {
	var what string
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		what, args = args[0], args[1:]
	}
	if what == "wal" {
		if len(args) != 2 {
			return errors.New("say which file, and its name:\n" + backupUsage)
		}
		return o.ArchiveWAL(ctx, args[0], args[1])
	}
	flags := newFlags("backup")
	every := flags.Duration("every", 0, "")
	stream := flags.Bool("stream", false, "")
	asJSON := flags.Bool("json", false, "")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	switch kind := backup.Kind(what); kind {
	case "stream":
		return o.goOn(ctx, o.Stream)
	case "list":
		return o.list(ctx, *asJSON)
	case "prune":
		return sentence(o.Prune(ctx, o.keep()))
	case "", backup.Base, backup.Dump, backup.Redis:
		return o.take(ctx, kind, *every, *stream)
	}
	return fmt.Errorf("there is no backup %q:\n%s", what, backupUsage)
}

func (o backupOptions) take(ctx context.Context, kind backup.Kind, every time.Duration, stream bool) error {
	if kind == "" {
		var why string
		var err error
		if kind, why, err = o.Choose(ctx); err != nil {
			return err
		}
		if why != "" {
			fmt.Fprintf(o.stdout, "A dump is made, and no base: %s.\n", why)
		}
	}
	if every == 0 && !stream {
		m, err := o.Take(ctx, kind)
		if err != nil {
			return sentence(err)
		}
		fmt.Fprintf(o.stdout, "%s  %s of %s in %s, sealed for %s\n", m.File, size(m.Bytes), size(m.Plain), m.FinishedAt.Sub(m.StartedAt).Round(time.Millisecond), m.SealedFor)
		if err := o.Prune(ctx, o.keep()); err != nil && !errors.Is(err, backup.ErrBusy) {
			return fmt.Errorf("the backup is made, but old ones were not removed: %w", err)
		}
		return nil
	}
	if every < time.Minute {
		return errors.New("--every needs a time of a minute or more, like 24h")
	}
	work := []func(context.Context) error{func(ctx context.Context) error { return o.Run(ctx, kind, every, o.keep()) }}
	if stream {
		work = append(work, o.Stream)
	}
	return o.goOn(ctx, work...)
}

// goOn does what lasts until ctx ends, and keeps its secrets current meanwhile.
func (o backupOptions) goOn(ctx context.Context, work ...func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { o.config.resolver.Run(ctx, o.config.SecretRefresh, o.Log); return nil })
	for _, do := range work {
		group.Go(func() error { return do(ctx) })
	}
	return group.Wait()
}

func (o backupOptions) list(ctx context.Context, asJSON bool) error {
	all, err := o.Reaches(ctx)
	if err != nil && !asJSON { // a program reads the code
		err = sentence(err)
	}
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(o.stdout).Encode(all)
	}
	if len(all) == 0 {
		fmt.Fprintf(o.stdout, "There is no backup in %s.\n", o.config.BackupTo)
		return nil
	}
	table := tabwriter.NewWriter(o.stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "KIND\tFROM\tRESTORES TO\tSIZE\tDATABASE\tSCHEMA\tID")
	for _, r := range all {
		until := r.Until.UTC().Format("2006-01-02 15:04:05Z")
		if r.Gap != "" {
			until += " (WAL lacks " + r.Gap + ")"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", r.Kind, r.FinishedAt.UTC().Format("2006-01-02 15:04:05Z"), until, size(r.Bytes), size(r.DatabaseBytes), r.Schema, r.ID)
	}
	return table.Flush()
}

func (o backupOptions) restore(ctx context.Context, args []string) error {
	flags := newFlags("restore")
	into, at, id := flags.String("into", "", ""), flags.String("to", "", ""), flags.String("backup", "", "")
	dump := flags.Bool("dump", false, "")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if (*into == "") == !*dump || (*dump && *at != "") {
		return errors.New("say where to:\n" + backupUsage)
	}
	began := time.Now()
	if *dump {
		return o.restoreDump(ctx, *id, began)
	}
	var to time.Time
	if *at != "" {
		var err error
		if to, err = parseMoment(*at); err != nil {
			return err
		}
	}
	m, err := o.Newest(ctx, to, *id, backup.Base)
	if err != nil {
		return sentence(err)
	}
	r, err := o.RestoreBase(ctx, m, to, *into)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.stdout, "%s: the base of %s and %d WAL segments after it, in %s.\n", *into, m.FinishedAt.Format(time.RFC3339), r.WALFiles, time.Since(began).Round(time.Millisecond))
	if r.Gap != "" {
		fmt.Fprintf(o.stdout, "WARNING: the archive lacks WAL segment %s. Recovery ends before it.\n", r.Gap)
	}
	fmt.Fprintf(o.stdout, "Now start PostgreSQL %d on that directory: it recovers by itself, and takes statements when it has.\n", m.Major)
	return nil
}

func (o backupOptions) restoreDump(ctx context.Context, id string, began time.Time) error {
	m, err := o.Newest(ctx, time.Time{}, id, backup.Dump)
	if err != nil {
		return sentence(err)
	}
	if o.config.MigrateURL == "" {
		return errors.New("BITB_MIGRATE_DATABASE_URL is not set; it names the empty database")
	}
	if err := o.RestoreDump(ctx, m, string(o.config.MigrateURL)); err != nil {
		return err
	}
	fmt.Fprintf(o.stdout, "The dump of %s is back, in %s. In a new cluster the role bitb_app has no password yet: alter role bitb_app password '…'.\n",
		m.StartedAt.Format(time.RFC3339), time.Since(began).Round(time.Millisecond))
	return nil
}

// parseMoment takes a time with its zone, and nothing that could be meant in two ways.
func parseMoment(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999Z07:00", "2006-01-02 15:04Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--to %s is not a time with a zone, like 2026-03-01T12:00:00Z", s)
}

func (o backupOptions) drill(ctx context.Context, args []string) error {
	flags := newFlags("drill")
	id := flags.String("backup", "", "")
	asJSON := flags.Bool("json", false, "")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	d, err := o.Drill(ctx, backup.Trial{ID: *id, Smoke: o.smokeRestored})
	if *asJSON {
		if err := json.NewEncoder(o.stdout).Encode(d); err != nil {
			return err
		}
	} else {
		printDrill(o.stdout, d)
	}
	if d.Backup.File != "" && !d.OK {
		return exitCode(1) // the findings say why
	}
	return sentence(err)
}

func printDrill(w io.Writer, d backup.Drill) {
	if d.Backup.File == "" { // the error says why
		return
	}
	result := "passed"
	if !d.OK {
		result = "FAILED"
	}
	fmt.Fprintf(w, "drill      %s\nbackup     %s of %s, %s stored\n", result, d.Backup.Kind, d.Backup.FinishedAt.Format(time.RFC3339), size(d.Backup.Bytes))
	if d.RTO > 0 { // else it did not come to its end
		printMeasured(w, d)
	}
	for _, f := range d.Findings {
		fmt.Fprintln(w, "WRONG     ", f)
	}
	for _, n := range d.Notes {
		fmt.Fprintln(w, "note      ", n)
	}
}

func printMeasured(w io.Writer, d backup.Drill) {
	var rows int64
	for _, n := range d.Rows {
		rows += n
	}
	fmt.Fprintf(w, "database   %s\nRPO        %s (goal %s)\nRTO        %s (goal %s): unpacked after %s with %d WAL segments, up after %s\n", size(d.Bytes),
		d.RPO.Round(time.Millisecond), backup.GoalRPO, d.RTO.Round(time.Millisecond), backup.GoalRTO, d.Fetched.Round(time.Millisecond), d.WALFiles, d.Recovered.Round(time.Millisecond))
	fmt.Fprintf(w, "checked    rules of isolation, %d rows in %d tables, schema %d, smoke test\n", rows, len(d.Rows), d.Backup.Schema)
}

func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

func parseFlags(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w\n%s", err, backupUsage)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is too much:\n%s", flags.Arg(0), backupUsage)
	}
	return nil
}

func size(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f kB", float64(n)/1e3)
}

// smokeRestored tries the product on a restored database: a question in a document's own words finds the document, for some of its
// tenants; then the server starts on it, and a throw-away customer goes through all that `bitb smoke` does.
func (o backupOptions) smokeRestored(ctx context.Context, databaseURL string) error {
	listen, err := freeLoopback()
	if err != nil {
		return err
	}
	c := o.config.onACopy(databaseURL, listen)
	s, err := newServer(ctx, c, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if err := s.findSomeOwnWords(ctx); err != nil {
		s.close()
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.run(ctx, true, func() {}) })
	group.Go(func() error {
		defer stop()
		if err := awaitReady(ctx, c.PublicURL); err != nil {
			return err
		}
		return smokeFailure(smoke(ctx, c.PublicURL, nil))
	})
	return group.Wait()
}

func smokeFailure(r smokeReport) error {
	for _, step := range r.Steps {
		if !step.OK {
			return fmt.Errorf("%s: %s", step.Name, step.Error)
		}
	}
	return nil
}

// onACopy are the settings for a server on a restored copy, which must touch nothing but that: not the database that a secret manager
// names by now, nor Redis, nor the originals that lie elsewhere, of which the copy knows older ones and would sweep away the newer. What
// happens on it is in no trace of the real one.
func (c Config) onACopy(databaseURL, listen string) Config {
	c.DatabaseURL, c.Pooled, c.Production = Secret(databaseURL), false, false
	c.RedisURL = "redis://127.0.0.1:1/0" // nobody is there
	c.SupabaseURL, c.SupabaseKey = "", ""
	c.resolver = &secret.Resolver{} // forgets what it read: what is set here stays
	c.ACMEEmail, c.TLSCert, c.TLSKey = "", "", ""
	c.OTLPEndpoint, c.TracesEndpoint = "", ""
	c.SignUp = "open" // for the customer who tries it
	c.Listen, c.PublicURL, c.MetricsListen, c.Workers, c.Drain = listen, "http://"+listen, "off", 1, 0
	c.chooseModels()
	return c
}

func freeLoopback() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func awaitReady(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.New("the server did not get ready on the restored database")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *server) findSomeOwnWords(ctx context.Context) error {
	tried := 0
	err := s.tenants.Each(ctx, func(id domain.ID) error {
		found, err := s.findOwnWords(ctx, id)
		if found {
			tried++
		}
		if err == nil && tried == tenantsTried {
			return errEnough
		}
		return err
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// tenantsTried are enough for a smoke test; every row of every tenant has been counted.
const tenantsTried = 5

var errEnough = errors.New("enough was tried")

// findOwnWords searches a tenant's newest ready document for what a chunk of it says. It returns false where the tenant has none.
func (s *server) findOwnWords(ctx context.Context, tenantID domain.ID) (bool, error) {
	list, err := s.documents.List(ctx, tenantID, document.Filter{})
	if err != nil {
		return false, err
	}
	for _, d := range list.Documents {
		if d.Status != document.Ready || d.Off {
			continue
		}
		chunks, err := s.documents.Chunks(ctx, tenantID, d.ID, document.ChunkFilter{})
		if err != nil {
			return false, err
		}
		for _, c := range chunks.Chunks {
			if c.Off {
				continue
			}
			words := strings.Fields(c.Text)
			got, err := s.deps.Retrieve.Retrieve(ctx, tenantID, retrieve.Query{Text: strings.Join(words[:min(len(words), 12)], " ")})
			if err != nil {
				return false, err
			}
			if !slices.ContainsFunc(got.Passages, func(p retrieve.Passage) bool { return p.DocumentID == d.ID }) {
				return false, fmt.Errorf("tenant %s: the document %s is not found by its own words", tenantID, d.ID)
			}
			return true, nil
		}
	}
	return false, nil
}
