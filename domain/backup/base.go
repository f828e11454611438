package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// takeBase copies the data directory over PostgreSQL's replication protocol, as pg_basebackup does: no client program is
// needed, and nothing of it touches a disk here. It holds the log from its begin to its end, so it is whole by itself.
func (s *Service) takeBase(ctx context.Context, conn *pgx.Conn, m *Manifest) (stored sealed, err error) {
	if m.Source, err = readSource(ctx, conn); err != nil {
		return stored, err
	}
	repl, err := s.replicate(ctx)
	if err != nil {
		return stored, err
	}
	defer repl.Close(context.WithoutCancel(ctx))
	system, err := pglogrepl.IdentifySystem(ctx, repl)
	if err != nil {
		return stored, fmt.Errorf("identify the cluster: %w", err)
	}
	if m.Segment, err = segmentSize(ctx, conn); err != nil {
		return stored, err
	}
	m.System = system.SystemID
	return s.put(ctx, m.File, func(w io.Writer) error { return copyCluster(ctx, repl, w, m) })
}

// replicate connects for replication. It must reach the server itself: a pooler does not pass this on.
func (s *Service) replicate(ctx context.Context) (*pgconn.PgConn, error) {
	config, err := pgconn.ParseConfig(s.SourceURL())
	if err != nil {
		return nil, errors.New("BITB_BACKUP_DATABASE_URL cannot be read as a PostgreSQL address")
	}
	config.ConnectTimeout = 10 * time.Second
	config.RuntimeParams["replication"] = "true"
	config.RuntimeParams["application_name"] = "bitb backup"
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect for replication (the role needs REPLICATION, and pg_hba.conf a line for it): %w", err)
	}
	return conn, nil
}

func segmentSize(ctx context.Context, conn *pgx.Conn) (bytes int64, err error) {
	if err := conn.QueryRow(ctx, "select setting::bigint from pg_settings where name = 'wal_segment_size'").Scan(&bytes); err != nil {
		return 0, fmt.Errorf("read the size of WAL segments: %w", err)
	}
	return bytes, nil
}

func copyCluster(ctx context.Context, conn *pgconn.PgConn, w io.Writer, m *Manifest) error {
	begun, err := pglogrepl.StartBaseBackup(ctx, conn, pglogrepl.BaseBackupOptions{Label: "bitb " + m.ID.String(), Fast: true, WAL: true, NoWait: true, Manifest: true})
	if err != nil {
		return fmt.Errorf("begin the base backup: %w", err)
	}
	if len(begun.Tablespaces) > 0 {
		return fmt.Errorf("the cluster has a tablespace at %s; base backups hold the data directory alone, so move its tables, or make dumps", begun.Tablespaces[0].Location)
	}
	if err := pglogrepl.NextTableSpace(ctx, conn); err != nil {
		return fmt.Errorf("begin the base backup: %w", err)
	}
	if err := copyArchive(ctx, conn, w); err != nil {
		return err
	}
	ended, err := pglogrepl.FinishBaseBackup(ctx, conn)
	if err != nil {
		return fmt.Errorf("end the base backup (where WAL was removed meanwhile, wal_keep_size is too small): %w", err)
	}
	m.Timeline, m.StartLSN, m.EndLSN = begun.TimelineID, begun.LSN.String(), ended.LSN.String()
	return nil
}

// copyArchive writes the server's tar with its list of files and checksums as one more file in it, as pg_basebackup does, so
// that pg_verifybackup can go over what was unpacked. https://www.postgresql.org/docs/current/protocol-replication.html
func copyArchive(ctx context.Context, conn *pgconn.PgConn, w io.Writer) error {
	data, list, inList := &tailless{w: w}, bytes.Buffer{}, false
	for {
		msg, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return fmt.Errorf("receive the base backup: %w", err)
		}
		switch msg := msg.(type) {
		case *pgproto3.CopyData:
			switch kind, rest := msg.Data[0], msg.Data[1:]; {
			case kind == 'm':
				inList = true
			case kind == 'd' && inList:
				list.Write(rest)
			case kind == 'd':
				if _, err := data.Write(rest); err != nil {
					return err
				}
			} // 'n' begins an archive, 'p' tells how far it is
		case *pgproto3.ErrorResponse:
			return fmt.Errorf("the base backup broke off: %w", pgconn.ErrorResponseToPgError(msg))
		case *pgproto3.CopyDone:
			return data.endWith("backup_manifest", list.Bytes())
		}
	}
}

// tailless holds back the zeros that end a tar, so that a file can follow.
type tailless struct {
	w    io.Writer
	tail []byte
}

const tarEnd = 1024

func (t *tailless) Write(p []byte) (int, error) {
	t.tail = append(t.tail, p...)
	if over := len(t.tail) - tarEnd; over > 0 {
		if _, err := t.w.Write(t.tail[:over]); err != nil {
			return 0, err
		}
		t.tail = append(t.tail[:0], t.tail[over:]...)
	}
	return len(p), nil
}

func (t *tailless) endWith(name string, content []byte) error {
	if len(t.tail) != tarEnd || len(bytes.Trim(t.tail, "\x00")) > 0 {
		return errors.New("the server's archive does not end as a tar does")
	}
	archive := tar.NewWriter(t.w)
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	if _, err := archive.Write(content); err != nil {
		return err
	}
	return archive.Close()
}
