package backup

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"bitb/domain/postgres"
)

func (m Manifest) firstSegment() (string, error) {
	start, err := pglogrepl.ParseLSN(m.StartLSN)
	if err != nil || m.Segment <= 0 {
		return "", fmt.Errorf("the manifest of %s does not say where in the log it begins", m.File)
	}
	return segmentFile(m.Timeline, uint64(start), m.Segment), nil
}

// Newest returns the newest backup of the kinds that was whole at a time (zero: by now), or the one with an id.
func (s *Service) Newest(ctx context.Context, to time.Time, id string, kinds ...Kind) (Manifest, error) {
	all, err := s.List(ctx)
	if err != nil {
		return Manifest{}, err
	}
	var newest Manifest
	for _, m := range all {
		fits := slices.Contains(kinds, m.Kind) && (to.IsZero() || !m.FinishedAt.After(to)) && (id == "" || m.ID.String() == id)
		if fits && !m.FinishedAt.Before(newest.FinishedAt) {
			newest = m
		}
	}
	switch {
	case newest.File != "":
		return newest, nil
	case id != "":
		return newest, fmt.Errorf("there is no such backup %s in %s; `bitb backup list` shows what there is", id, s.Place)
	case !to.IsZero():
		return newest, fmt.Errorf("no base backup in %s was whole at %s; `bitb backup list` shows what there is", s.Place, to.Format(time.RFC3339))
	}
	return newest, fmt.Errorf("there is no backup in %s", s.Place)
}

// Restored says what a restore brought.
type Restored struct {
	Manifest
	WALFiles int    // how many segments follow the base
	Gap      string // the first that is missing; recovery ends before it
}

// Where the log waits for recovery, inside the data directory.
const walFolder = "bitb_restore"

// RestoreBase unpacks a base and the log since into a data directory that is not there yet or empty, ready for PostgreSQL to
// start: it then recovers to the end of the log, or to a time. All hashes are checked before the directory gets its name.
func (s *Service) RestoreBase(ctx context.Context, m Manifest, to time.Time, dir string) (r Restored, err error) {
	r.Manifest = m
	if m.Kind != Base {
		return r, fmt.Errorf("%s is a %s, which goes into a database, not into a directory", m.ID, m.Kind)
	}
	if err := s.keys.Load().mayOpen(m.SealedFor); err != nil {
		return r, err
	}
	if err := emptyDir(dir); err != nil {
		return r, err
	}
	part := filepath.Clean(dir) + ".restoring"
	if err := os.Mkdir(part, 0o700); errors.Is(err, fs.ErrExist) {
		return r, fmt.Errorf("%s is there already, left by a restore that was cut off or is under way; when it is over, remove it and try again", part)
	} else if err != nil {
		return r, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(part)
		}
	}()
	if err := s.unpack(ctx, m, part); err != nil {
		return r, err
	}
	p, err := s.follow(ctx, m)
	if err != nil {
		return r, err
	}
	r.Gap, r.WALFiles = p.gap, p.segments
	if err := s.fetchWAL(ctx, p.files, filepath.Join(part, walFolder), m.Segment); err != nil {
		return r, err
	}
	if err := writeRecovery(part, p.timeline, to); err != nil {
		return r, err
	}
	if err := giveToOwner(part, dir); err != nil {
		return r, err
	}
	_ = os.Remove(dir) // an empty one is in the way
	return r, os.Rename(part, dir)
}

func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty; nothing is restored over what is there. Move it away first", dir)
	}
	return nil
}

// unpack writes the files of a base. What comes is authentic piece by piece, and whole when the hash has been checked.
func (s *Service) unpack(ctx context.Context, m Manifest, dir string) error {
	content, whole, err := s.get(ctx, m.File, m.SHA256)
	if err != nil {
		return err
	}
	defer content.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	archive := tar.NewReader(contextReader{ctx, content})
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return whole()
		}
		if err == nil {
			err = unpackOne(root, h, archive)
		}
		if err != nil {
			return fmt.Errorf("%s is damaged or cannot be unpacked: %w", m.File, err)
		}
	}
}

func unpackOne(root *os.Root, h *tar.Header, content io.Reader) error {
	name := filepath.Clean(h.Name)
	switch {
	case name == ".":
		return nil
	case h.Typeflag == tar.TypeDir:
		return root.MkdirAll(name, 0o700)
	case h.Typeflag != tar.TypeReg:
		return fmt.Errorf("%s is neither a file nor a directory", h.Name)
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, content); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// writeRecovery has PostgreSQL recover at its next start. What an earlier restore wrote into the same file is taken out.
func writeRecovery(dir string, timeline int32, to time.Time) error {
	auto := filepath.Join(dir, autoConf)
	before, err := os.ReadFile(auto)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, lines := splitSettings(string(before))
	lines = append(lines, fmt.Sprintf("restore_command = 'cp \"%s/%%f\" \"%%p\"'", walFolder),
		fmt.Sprintf("recovery_end_command = 'rm -rf %s'", walFolder), fmt.Sprintf("recovery_target_timeline = '%d'", timeline))
	if !to.IsZero() {
		lines = append(lines, fmt.Sprintf("recovery_target_time = '%s'", to.UTC().Format("2006-01-02 15:04:05.999999-07")), "recovery_target_action = 'promote'")
	}
	if err := os.WriteFile(auto, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "recovery.signal"), nil, 0o600)
}

// autoConf is where ALTER SYSTEM writes. It goes before every other file of settings.
const autoConf = "postgresql.auto.conf"

// splitSettings tells what writeRecovery wrote from what else is set in autoConf.
func splitSettings(content string) (recovery, others []string) {
	for line := range strings.Lines(content) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "recovery_") || strings.HasPrefix(line, "restore_command") {
			recovery = append(recovery, line)
		} else {
			others = append(others, line)
		}
	}
	return recovery, others
}

// giveToOwner lets root restore for the user that PostgreSQL runs as: the owner of dir or of the directory that it will lie in,
// or, where that is root, the user that packages make.
func giveToOwner(part, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := ownerOf(dir)
	if err != nil {
		return err
	}
	if uid == 0 {
		who := serverUser()
		if who == nil {
			return nil
		}
		uid, gid = int(who.Uid), int(who.Gid)
	}
	return chownAll(part, uid, gid)
}

func chownAll(dir string, uid, gid int) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
}

// RestoreDump brings a dump into a database that has nothing of BITB's. adminURL is a role like the one that migrates.
func (s *Service) RestoreDump(ctx context.Context, m Manifest, adminURL string) error {
	if m.Kind != Dump {
		return fmt.Errorf("%s is a %s, not a dump", m.ID, m.Kind)
	}
	if err := s.keys.Load().mayOpen(m.SealedFor); err != nil {
		return err
	}
	if err := emptyDatabase(ctx, adminURL); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bitb-restore-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "database.dump")
	if err := s.fetch(ctx, m, file); err != nil {
		return err
	}
	if err := postgres.Prepare(ctx, adminURL, m.Vectors); err != nil {
		return err
	}
	return restoreFile(ctx, m.Major, adminURL, dir, file)
}

// fetch writes a backup's content into a file and checks all of it.
func (s *Service) fetch(ctx context.Context, m Manifest, file string) error {
	content, whole, err := s.get(ctx, m.File, m.SHA256)
	if err != nil {
		return err
	}
	defer content.Close()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, contextReader{ctx, content}); err != nil {
		return fmt.Errorf("%s is damaged: %w", m.File, err)
	}
	if err := whole(); err != nil {
		return err
	}
	return f.Close()
}

func emptyDatabase(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("reach the database to restore into: %w", err)
	}
	defer conn.Close(ctx)
	var tables int
	if err := conn.QueryRow(ctx, "select count(*) from ("+ownTables+") t").Scan(&tables); err != nil {
		return fmt.Errorf("look at the database to restore into: %w", err)
	}
	if tables > 0 {
		return fmt.Errorf("the database has %d tables of BITB; nothing is restored over what is there. Make an empty one", tables)
	}
	return nil
}

// restoreFile runs pg_restore for all but the schemas, which are there, and what somebody is granted on later tables in them: that is
// the managed service's, and names roles of its own.
func restoreFile(ctx context.Context, major int, url, dir, file string) error {
	var list strings.Builder
	if err := runTool(ctx, major, "pg_restore", url, &list, "--list", file); err != nil {
		return err
	}
	var wanted []string
	for _, line := range strings.Split(list.String(), "\n") {
		if !strings.Contains(line, " SCHEMA - ") && !strings.Contains(line, " - SCHEMA ") && !strings.Contains(line, " DEFAULT ACL ") {
			wanted = append(wanted, line)
		}
	}
	contents := filepath.Join(dir, "contents")
	if err := os.WriteFile(contents, []byte(strings.Join(wanted, "\n")), 0o600); err != nil {
		return err
	}
	// Tables are loaded side by side, and so are indexes made: most of the time goes there.
	return runTool(ctx, major, "pg_restore", url, io.Discard, "--no-password", "--exit-on-error", "--dbname="+databaseName(url),
		fmt.Sprintf("--jobs=%d", min(8, max(2, runtime.GOMAXPROCS(0)))), "--use-list="+contents, file)
}

func databaseName(url string) string {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return ""
	}
	return config.Database
}
