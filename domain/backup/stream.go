package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// slot is the replication slot in whose name the server keeps what is not stored yet.
const slot = "bitb_backup"

// partAfter is how long the newest changes may lie in the database's directory alone. noteAfter is how often it is noted that they
// do not: a note is a change too, and makes the log of a database go on in which nothing else happens.
const (
	partAfter = 10 * time.Second
	noteAfter = 30 * time.Second
)

var errStreamed = errors.New("another process streams already")

// Stream stores the log as it is written, until ctx ends. Nothing of it touches a disk here: the server is told that a piece
// has arrived when it is in the store, and keeps it until then, so wherever this process dies, nothing is missing afterwards.
// What fails is tried again.
func (s *Service) Stream(ctx context.Context) error {
	for wait := time.Second; ; {
		began := time.Now()
		err := s.stream(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > time.Minute {
			wait = time.Second
		}
		if errors.Is(err, errStreamed) {
			s.Log.Info("another process archives WAL; this one stands by", "again_in", wait.String())
		} else {
			s.Log.Error("WAL is not being archived; the database keeps it meanwhile", "error", err, "again_in", wait.String())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, 30*time.Second)
	}
}

func (s *Service) stream(ctx context.Context) error {
	size, from, fresh, err := s.prepareStream(ctx)
	if err != nil {
		return err
	}
	conn, err := s.replicate(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	system, err := pglogrepl.IdentifySystem(ctx, conn)
	if err != nil {
		return fmt.Errorf("identify the cluster: %w", err)
	}
	begin, err := s.storeHistory(ctx, conn, system)
	if err != nil {
		return err
	}
	if fresh && begin != 0 && begin < from {
		// After a restore the archive lacks the timeline's first segments. Where the server has them no more, the next try, which
		// finds the slot, does without.
		from = begin
	}
	from -= from % pglogrepl.LSN(size)
	if err := pglogrepl.StartReplication(ctx, conn, slot, from, pglogrepl.StartReplicationOptions{Timeline: system.Timeline, Mode: pglogrepl.PhysicalReplication}); err != nil {
		return fmt.Errorf("begin to stream from %s: %w", from, err)
	}
	s.Log.Info("archiving WAL", "from", from.String(), "timeline", system.Timeline)
	r := &receiver{Service: s, conn: conn, system: system.SystemID, timeline: system.Timeline, size: size, start: from, stored: from}
	err = r.run(ctx)
	if ctx.Err() != nil { // what came last is stored before this ends
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		defer cancel()
		return r.storePart(last)
	}
	return err
}

// prepareStream makes the slot where there is none, and returns where it stands.
func (s *Service) prepareStream(ctx context.Context) (size int64, from pglogrepl.LSN, fresh bool, err error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return 0, 0, false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if size, err = segmentSize(ctx, conn); err != nil {
		return 0, 0, false, err
	}
	var position, state *string
	var active bool
	err = conn.QueryRow(ctx, "select restart_lsn::text, wal_status, active from pg_replication_slots where slot_name = $1", slot).Scan(&position, &state, &active)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return 0, 0, false, fmt.Errorf("look at the replication slot: %w", err)
	case active:
		return 0, 0, false, errStreamed
	case position == nil || (state != nil && *state == "lost"):
		s.noteGap(ctx, "the database threw WAL away that was not stored (max_slot_wal_keep_size); until the next base backup a restore ends before the hole")
		if _, err := conn.Exec(ctx, "select pg_drop_replication_slot($1)", slot); err != nil {
			return 0, 0, false, fmt.Errorf("drop the replication slot that was lost: %w", err)
		}
	default:
		from, err = pglogrepl.ParseLSN(*position)
		return size, from, false, err
	}
	var made string
	if err := conn.QueryRow(ctx, "select lsn::text from pg_create_physical_replication_slot($1, true)", slot).Scan(&made); err != nil {
		return 0, 0, false, fmt.Errorf("make the replication slot: %w", err)
	}
	from, err = pglogrepl.ParseLSN(made)
	return size, from, true, err
}

// storeHistory stores where the cluster's timeline branched off, which recovery asks for, and returns it; 0 for the first timeline.
func (s *Service) storeHistory(ctx context.Context, conn *pgconn.PgConn, system pglogrepl.IdentifySystemResult) (pglogrepl.LSN, error) {
	if system.Timeline == 1 {
		return 0, nil
	}
	file, err := pglogrepl.TimelineHistory(ctx, conn, system.Timeline)
	if err != nil {
		return 0, fmt.Errorf("read the history of timeline %d: %w", system.Timeline, err)
	}
	if _, err := s.putWAL(ctx, system.SystemID, file.FileName, file.Content, false); err != nil {
		return 0, err
	}
	_, history, err := parseHistory(file.FileName, string(file.Content))
	if err != nil || len(history) == 0 {
		return 0, err
	}
	return pglogrepl.LSN(history[len(history)-1].at), nil
}

// receiver gathers one segment after the other.
type receiver struct {
	*Service
	conn     *pgconn.PgConn
	system   string
	timeline int32
	size     int64

	start  pglogrepl.LSN // of the segment at hand
	have   []byte        // of it
	stored pglogrepl.LSN // up to here it is in the store
	last   time.Time     // that something was stored, or that there was nothing
	noted  time.Time
	bytes  int64 // since then
}

func (r *receiver) end() pglogrepl.LSN { return r.start + pglogrepl.LSN(len(r.have)) }

func (r *receiver) run(ctx context.Context) error {
	r.last = time.Now()
	for {
		next, cancel := context.WithDeadline(ctx, r.last.Add(r.partAfter))
		msg, err := r.conn.ReceiveMessage(next)
		due := next.Err() != nil
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !pgconn.Timeout(err):
			return fmt.Errorf("receive WAL: %w", err)
		case err == nil:
			if err := r.take(ctx, msg); err != nil {
				return err
			}
		}
		if due || time.Since(r.last) >= r.partAfter {
			if err := r.storePart(ctx); err != nil {
				return err
			}
			if err := r.confirm(ctx); err != nil {
				return err
			}
		}
	}
}

func (r *receiver) take(ctx context.Context, msg pgproto3.BackendMessage) error {
	switch msg := msg.(type) {
	case *pgproto3.ErrorResponse:
		return fmt.Errorf("receive WAL: %w", pgconn.ErrorResponseToPgError(msg))
	case *pgproto3.CopyDone:
		return errors.New("the server began another timeline")
	case *pgproto3.CopyData:
		switch msg.Data[0] {
		case pglogrepl.XLogDataByteID:
			data, err := pglogrepl.ParseXLogData(msg.Data[1:])
			if err != nil {
				return err
			}
			if data.WALStart != r.end() {
				return fmt.Errorf("WAL came from %s, and was due from %s", data.WALStart, r.end())
			}
			return r.add(ctx, data.WALData)
		case pglogrepl.PrimaryKeepaliveMessageByteID:
			alive, err := pglogrepl.ParsePrimaryKeepaliveMessage(msg.Data[1:])
			if err != nil || !alive.ReplyRequested {
				return err
			}
			// A server that is being stopped asks, and waits until all of it has arrived.
			if err := r.storePart(ctx); err != nil {
				return err
			}
			return r.confirm(ctx)
		}
	}
	return nil
}

func (r *receiver) add(ctx context.Context, data []byte) error {
	for len(data) > 0 {
		n := min(len(data), int(r.size)-len(r.have))
		r.have, data = append(r.have, data[:n]...), data[n:]
		if len(r.have) < int(r.size) {
			continue
		}
		if err := r.store(ctx, false); err != nil {
			return err
		}
		r.start, r.have = r.end(), r.have[:0]
		if err := r.confirm(ctx); err != nil {
			return err
		}
	}
	return nil
}

// storePart stores what there is of the segment at hand, if there is anything new.
func (r *receiver) storePart(ctx context.Context) error {
	r.last = time.Now()
	if r.stored == r.end() {
		r.noteSometimes(ctx)
		return nil
	}
	return r.store(ctx, true)
}

func (r *receiver) store(ctx context.Context, partial bool) error {
	file := segmentFile(r.timeline, uint64(r.start), r.size)
	n, err := r.putWAL(ctx, r.system, file, r.have, partial)
	if err != nil {
		return err
	}
	r.stored, r.last, r.bytes = r.end(), time.Now(), r.bytes+n
	r.noteSometimes(ctx)
	return nil
}

func (r *receiver) noteSometimes(ctx context.Context) {
	if time.Since(r.noted) < noteAfter {
		return
	}
	r.noteWAL(ctx, r.bytes, segmentFile(r.timeline, uint64(r.start), r.size))
	r.noted, r.bytes = time.Now(), 0
}

// confirm tells the server what it need not keep.
func (r *receiver) confirm(ctx context.Context) error {
	err := pglogrepl.SendStandbyStatusUpdate(ctx, r.conn, pglogrepl.StandbyStatusUpdate{WALWritePosition: r.stored})
	if err != nil {
		return fmt.Errorf("confirm WAL: %w", err)
	}
	return nil
}
