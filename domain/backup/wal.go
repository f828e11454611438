package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// The log lies in wal/CLUSTER/, one object a segment: its name, the SHA-256 of what is in it, and of one that is not full yet
// how much of it there is. CLUSTER is the cluster's own number, so that a new cluster in the same place mixes with nothing.
//
//	wal/7412…/000000010000000000000007.SHA256.zst.age
//	wal/7412…/000000010000000000000008.partial.0001048576.SHA256.zst.age
//	wal/7412…/00000002.history.SHA256.zst.age
type walFile struct {
	object
	file    string // as PostgreSQL asks for it
	partial int64  // how many bytes of it there are; 0: all
	sha256  string
}

var (
	walName     = regexp.MustCompile(`^([0-9A-F]{24}|[0-9A-F]{8}\.history)(?:\.partial\.([0-9]{10}))?\.([0-9a-f]{64})` + regexp.QuoteMeta(sealedSuffix) + `$`)
	segmentName = regexp.MustCompile(`^[0-9A-F]{24}$`)
)

func walDir(system string) string { return "wal/" + system + "/" }

func parseWAL(o object) (walFile, bool) {
	m := walName.FindStringSubmatch(path.Base(o.Name))
	if m == nil {
		return walFile{}, false
	}
	partial, _ := strconv.ParseInt("0"+m[2], 10, 64)
	return walFile{object: o, file: m[1], partial: partial, sha256: m[3]}, true
}

func (f walFile) isSegment() bool { return segmentName.MatchString(f.file) }

// listWAL returns what there is of a cluster's log, of a segment only the fullest, ordered by name.
func (s *Service) listWAL(ctx context.Context, system string) ([]walFile, error) {
	objects, err := s.store.List(ctx, walDir(system))
	if err != nil {
		return nil, fmt.Errorf("list the WAL archive: %w", err)
	}
	byName := map[string]walFile{}
	for _, o := range objects {
		f, ok := parseWAL(o)
		if !ok {
			continue
		}
		if have, twice := byName[f.file]; !twice || (have.partial > 0 && (f.partial == 0 || f.partial > have.partial)) {
			byName[f.file] = f
		}
	}
	files := make([]walFile, 0, len(byName))
	for _, f := range byName {
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b walFile) int { return strings.Compare(a.file, b.file) })
	return files, nil
}

// segmentFile is the name PostgreSQL gives the segment that holds a position.
func segmentFile(timeline int32, position uint64, size int64) string {
	n, each := position/uint64(size), uint64(1<<32)/uint64(size)
	return fmt.Sprintf("%08X%08X%08X", timeline, n/each, n%each)
}

// segmentNumber is the part of a segment's name that says where in the log it lies, whatever the timeline.
func segmentNumber(file string) string { return file[8:] }

// putWAL stores a segment, a part of one (of), or a timeline's history. Of a file that is there already it only makes sure that
// it is the same: PostgreSQL may hand out one twice, but never two under one name.
func (s *Service) putWAL(ctx context.Context, system, file string, content []byte, partial bool) (int64, error) {
	sum := sha256.Sum256(content)
	part := ""
	if partial {
		part = fmt.Sprintf(".partial.%010d", len(content))
	}
	name := walDir(system) + file + part + "." + hex.EncodeToString(sum[:]) + sealedSuffix
	earlier, err := s.store.List(ctx, walDir(system)+file+".")
	if err != nil {
		return 0, fmt.Errorf("look for %s in the archive: %w", file, err)
	}
	for _, o := range earlier {
		f, ok := parseWAL(o)
		if ok && (o.Name == name || partial && (f.partial == 0 || f.partial >= int64(len(content)))) {
			return 0, nil // it is there, or more of it: what was confirmed last came twice
		}
		if ok && f.partial == 0 {
			return 0, fmt.Errorf("the archive has another %s already (%s); two clusters must not share one, nor one cluster run twice", file, o.Name)
		}
	}
	n, err := s.putBytes(ctx, name, content)
	if err != nil {
		return 0, err
	}
	for _, o := range earlier { // parts of what is fuller now
		if err := s.store.Delete(ctx, o.Name); err != nil {
			s.Log.Warn("a part of a WAL segment was not removed", "name", o.Name, "error", err)
		}
	}
	return n, nil
}

// ArchiveWAL is what archive_command calls: it stores the file at path under the name that PostgreSQL gave it. The working
// directory is the data directory, whose pg_control begins with the cluster's number.
func (s *Service) ArchiveWAL(ctx context.Context, file, name string) error {
	control, err := os.ReadFile(filepath.Join("global", "pg_control"))
	if err != nil || len(control) < 8 {
		return fmt.Errorf("archive_command runs in the data directory, and this is none: %w", err)
	}
	if !segmentName.MatchString(name) && !strings.HasSuffix(name, ".history") {
		return nil // notes on base backups (….backup): nothing needs them
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the WAL file: %w", err)
	}
	n, err := s.putWAL(ctx, strconv.FormatUint(binary.NativeEndian.Uint64(control), 10), name, content, false)
	if err != nil {
		return err
	}
	s.noteWAL(ctx, n, name)
	return nil
}

// walSince returns the log from a base on, and where it ends.
func (s *Service) walSince(ctx context.Context, m Manifest) ([]walFile, error) {
	files, err := s.listWAL(ctx, m.System)
	if err != nil {
		return nil, err
	}
	first, err := m.firstSegment()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(files, func(f walFile) bool {
		return f.isSegment() && segmentNumber(f.file) < segmentNumber(first)
	}), nil
}

// fetchWAL writes the log into a directory, under the names that PostgreSQL asks for, four files at a time.
func (s *Service) fetchWAL(ctx context.Context, files []walFile, dir string, size int64) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for _, f := range files {
		group.Go(func() error {
			content, err := s.readWAL(ctx, f)
			if err != nil {
				return err
			}
			path := filepath.Join(dir, f.file)
			if !f.isSegment() {
				return os.WriteFile(path, content, 0o600)
			}
			// PostgreSQL takes whole segments alone. The zeros that end one are a hole in the file, which takes no room.
			return errors.Join(os.WriteFile(path, bytes.TrimRight(content, "\x00"), 0o600), os.Truncate(path, size))
		})
	}
	return group.Wait()
}

// maxSegment is the largest that PostgreSQL can be told to write.
const maxSegment = 1 << 30

func (s *Service) readWAL(ctx context.Context, f walFile) ([]byte, error) {
	r, whole, err := s.get(ctx, f.Name, "")
	if err != nil {
		return nil, fmt.Errorf("read the WAL archive: %w", err)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(r, maxSegment+1)); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", f.Name, err)
	}
	if err := whole(); err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(b.Bytes()); hex.EncodeToString(sum[:]) != f.sha256 || (f.partial > 0 && int64(b.Len()) != f.partial) {
		return nil, errors.New(f.Name + " is not what its name says")
	}
	return b.Bytes(), nil
}
