package document

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/postgres"
	"bitb/domain/trace"
)

// Upload is a file that has been checked to be of a format that can be read.
type Upload struct {
	Name    string
	Format  string
	Content []byte
	By      domain.ID // the member; zero: nobody
	Key     []byte    // who sends it again under the same one means the same upload; nil: none

	object domain.ID // under which Content is kept outside the database; zero: it is not
}

// Stored tells what became of an upload.
type Stored struct {
	ID        domain.ID
	Name      string
	Duplicate bool // the tenant has this file already, as Name; nothing was stored
}

// Store keeps an upload and puts it in line, both or neither. The same bytes twice are one document, and under the same Key within a
// day no duplicate either, but the first upload once more; other bytes under the same Key are domain.Conflict.
func (s *Service) Store(ctx context.Context, tenantID domain.ID, up Upload) (Stored, error) {
	if err := up.check(); err != nil {
		return Stored{}, err
	}
	for try := 1; ; try++ {
		stored, err := s.storeNew(ctx, tenantID, up)
		// The document that had these bytes may be deleted before it is looked at.
		if domain.CodeOf(err) != domain.NotFound || try == mostStores {
			return stored, err
		}
	}
}

const mostStores = 5

func (s *Service) storeNew(ctx context.Context, tenantID domain.ID, up Upload) (Stored, error) {
	sum := sha256.Sum256(up.Content)
	stored, kept := Stored{ID: domain.NewID(), Name: CleanName(up.Name)}, false
	undo, err := s.put(ctx, tenantID, &up)
	if err != nil {
		return stored, err
	}
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if err := forgetKey(ctx, tx, tenantID, up.Key); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `
			insert into documents (tenant_id, id, name, format, size_bytes, sha256, uploaded_by)
			values ($1, $2, $3, $4, $5, $6, nullif($7, '00000000-0000-0000-0000-000000000000'::uuid))
			on conflict (tenant_id, sha256) do nothing`,
			tenantID, stored.ID, stored.Name, up.Format, len(up.Content), sum[:], up.By)
		if err != nil {
			return fmt.Errorf("insert a document: %w", err)
		}
		if kept = tag.RowsAffected() > 0; !kept {
			return tx.QueryRow(ctx, `select d.id, d.name, not exists (select from document_files f
					where f.tenant_id = $1 and f.document_id = d.id and f.upload_key = $3 and f.sha256 = $2)
				from documents d where d.tenant_id = $1 and d.sha256 = $2`, tenantID, sum[:], up.Key).
				Scan(&stored.ID, &stored.Name, &stored.Duplicate)
		}
		if err := insertFile(ctx, tx, tenantID, stored.ID, 1, up, sum); err != nil {
			return err
		}
		return s.wake(ctx, tx, tenantID)
	})
	if err == nil && !kept {
		undo()
	}
	return stored, err
}

// keyFor is for how long an upload under the same key is the same.
const keyFor = 24 * time.Hour

func forgetKey(ctx context.Context, tx pgx.Tx, tenantID domain.ID, key []byte) error {
	if key == nil {
		return nil
	}
	_, err := tx.Exec(ctx, `update document_files set upload_key = null where tenant_id = $1 and upload_key = $2
		and created_at < now() - $3::interval`, tenantID, key, keyFor)
	if err != nil {
		return fmt.Errorf("forget an upload's key: %w", err)
	}
	return nil
}

// Namesake returns the newest document that bears the name of an upload but other bytes: perhaps the upload is meant to be
// its new version. It is the zero ID where there is none, or where the tenant has these bytes already.
func (s *Service) Namesake(ctx context.Context, tenantID domain.ID, up Upload) (id domain.ID, err error) {
	sum := sha256.Sum256(up.Content)
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			select d.id from documents d where d.tenant_id = $1 and d.name = $2
				and not exists (select from documents t where t.tenant_id = $1 and t.sha256 = $3)
			order by d.created_at desc, d.id desc limit 1`, tenantID, CleanName(up.Name), sum[:]).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return id, err
}

// StoreVersion keeps an upload as the new version of a document and puts it in line. Until it is ready the old version
// answers; if it fails, the old version goes on. The bytes of the newest version once more change nothing: Duplicate.
// Bytes that are another document's are domain.Conflict.
func (s *Service) StoreVersion(ctx context.Context, tenantID, id domain.ID, up Upload) (Stored, error) {
	if err := up.check(); err != nil {
		return Stored{}, err
	}
	sum := sha256.Sum256(up.Content)
	stored := Stored{ID: id, Name: CleanName(up.Name)}
	undo, err := s.put(ctx, tenantID, &up)
	if err != nil {
		return stored, err
	}
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		var version int
		var same bool
		err := tx.QueryRow(ctx, "select sha256 = $3 from documents where tenant_id = $1 and id = $2 for no key update", tenantID, id, sum[:]).
			Scan(&same)
		if err != nil {
			return err
		}
		if same {
			stored.Duplicate = true
			return nil
		}
		if err := refuseOthers(ctx, tx, tenantID, id, sum); err != nil {
			return err
		}
		if err := dropUnanswered(ctx, tx, tenantID, id); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "select coalesce(max(version), 0) + 1 from document_files where tenant_id = $1 and document_id = $2", tenantID, id).Scan(&version); err != nil {
			return err
		}
		if err := insertFile(ctx, tx, tenantID, id, version, up, sum); err != nil {
			return err
		}
		return s.queueVersion(ctx, tx, tenantID, id, version)
	})
	if err == nil && stored.Duplicate {
		undo()
	}
	return stored, err
}

func refuseOthers(ctx context.Context, tx pgx.Tx, tenantID, id domain.ID, sum [sha256.Size]byte) error {
	var other string
	err := tx.QueryRow(ctx, "select name from documents where tenant_id = $1 and sha256 = $2 and id <> $3", tenantID, sum[:], id).Scan(&other)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return domain.NewError(domain.Conflict, "You have this file already, as “"+other+"”. Delete that document first, or upload another file.")
}

// RestoreVersion makes a new version of an older one's file, and puts it in line. The version that answers already is
// domain.Conflict.
func (s *Service) RestoreVersion(ctx context.Context, tenantID, id domain.ID, version int, by domain.ID) error {
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		if _, err := lockDocument(ctx, tx, tenantID, id); err != nil {
			return err
		}
		var live int
		var found []byte
		err := tx.QueryRow(ctx, `select d.live_version, f.sha256 from documents d join document_files f on f.tenant_id = d.tenant_id and f.document_id = d.id
			where d.tenant_id = $1 and d.id = $2 and f.version = $3`, tenantID, id, version).Scan(&live, &found)
		switch {
		case errors.Is(err, pgx.ErrNoRows), err == nil && version > live:
			return domain.NewError(domain.NotFound, "This document has no such older version.")
		case err != nil:
			return fmt.Errorf("find a version: %w", err)
		case version == live:
			return domain.NewError(domain.Conflict, "This version answers already.")
		}
		if err := refuseOthers(ctx, tx, tenantID, id, [sha256.Size]byte(found)); err != nil {
			return err
		}
		if err := dropUnanswered(ctx, tx, tenantID, id); err != nil {
			return err
		}
		var next int
		err = tx.QueryRow(ctx, `
			insert into document_files (tenant_id, document_id, version, content, object, name, format, size_bytes, sha256, uploaded_by)
			select f.tenant_id, f.document_id, (select max(version) + 1 from document_files where tenant_id = $1 and document_id = $2),
				f.content, f.object, f.name, f.format, f.size_bytes, f.sha256, nullif($4, '00000000-0000-0000-0000-000000000000'::uuid)
			from document_files f where f.tenant_id = $1 and f.document_id = $2 and f.version = $3
			returning version`, tenantID, id, version, by).Scan(&next)
		if err != nil {
			return fmt.Errorf("copy a version: %w", err)
		}
		return s.queueVersion(ctx, tx, tenantID, id, next)
	})
}

// dropUnanswered removes what was uploaded and never answered: it is replaced, not kept, as nobody has seen it.
func dropUnanswered(ctx context.Context, tx pgx.Tx, tenantID, id domain.ID) error {
	_, err := tx.Exec(ctx, `delete from document_files f using documents d where d.tenant_id = $1 and d.id = $2
		and f.tenant_id = $1 and f.document_id = $2 and f.version > d.live_version`, tenantID, id)
	if err != nil {
		return fmt.Errorf("drop a version that never answered: %w", err)
	}
	return nil
}

// queueVersion makes a version the newest one and puts the document in line. Whatever reads it now is superseded.
func (s *Service) queueVersion(ctx context.Context, tx pgx.Tx, tenantID, id domain.ID, version int) error {
	_, err := tx.Exec(ctx, `
		update documents d set version = $3, sha256 = f.sha256,
			name = case d.live_version when 0 then f.name else d.name end,
			format = case d.live_version when 0 then f.format else d.format end,
			size_bytes = case d.live_version when 0 then f.size_bytes else d.size_bytes end, `+inLineAgain+`
		from document_files f
		where d.tenant_id = $1 and d.id = $2 and f.tenant_id = $1 and f.document_id = $2 and f.version = $3`, tenantID, id, version)
	if err != nil {
		return fmt.Errorf("queue a version: %w", err)
	}
	return s.wake(ctx, tx, tenantID)
}

func insertFile(ctx context.Context, tx pgx.Tx, tenantID, id domain.ID, version int, up Upload, sum [sha256.Size]byte) error {
	content := up.Content
	if up.object != (domain.ID{}) {
		content = nil
	}
	_, err := tx.Exec(ctx, `
		insert into document_files (tenant_id, document_id, version, content, object, name, format, size_bytes, sha256, uploaded_by, traceparent, upload_key)
		values ($1, $2, $3, $4, nullif($5, '00000000-0000-0000-0000-000000000000'::uuid), $6, $7, $8, $9,
			nullif($10, '00000000-0000-0000-0000-000000000000'::uuid), $11, $12)`,
		tenantID, id, version, content, up.object, CleanName(up.Name), up.Format, len(up.Content), sum[:], up.By, trace.Carry(ctx), up.Key)
	if postgres.IsUnique(err, "document_files_upload_key") {
		return ErrKeyTaken
	}
	if err != nil {
		return fmt.Errorf("insert the original: %w", err)
	}
	return nil
}

// ErrKeyTaken says that the Key of an upload came with other bytes before.
var ErrKeyTaken = domain.NewError(domain.Conflict, "This Idempotency-Key came with another file before. Use a new key for each file.")

// TooLargeMessage says that a file has more than MaxFileBytes.
const TooLargeMessage = "This file is larger than 25 MB. Split it, or save a smaller copy."

func (up Upload) check() error {
	if len(up.Content) > MaxFileBytes {
		return domain.NewError(domain.TooLarge, TooLargeMessage)
	}
	return nil
}

// Versions returns the files that the document was made from, newest first.
func (s *Service) Versions(ctx context.Context, tenantID, id domain.ID) ([]Version, error) {
	var versions []Version
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			select f.version, f.name, f.format, f.size_bytes, f.created_at,
				coalesce((select u.name from users u where u.tenant_id = f.tenant_id and u.id = f.uploaded_by), '')
			from document_files f where f.tenant_id = $1 and f.document_id = $2 order by f.version desc`, tenantID, id)
		if err != nil {
			return err
		}
		versions, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (v Version, err error) {
			err = row.Scan(&v.Number, &v.Name, &v.Format, &v.SizeBytes, &v.CreatedAt, &v.UploadedBy)
			return v, err
		})
		return err
	})
	return versions, err
}

// Original returns a version's file; number 0 is the version that answers, or the newest where none does.
func (s *Service) Original(ctx context.Context, tenantID, id domain.ID, number int) (v Version, content []byte, err error) {
	var object *domain.ID
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			select f.version, f.name, f.format, f.size_bytes, f.created_at, f.content, f.object
			from document_files f join documents d on d.tenant_id = f.tenant_id and d.id = f.document_id
			where f.tenant_id = $1 and f.document_id = $2
				and f.version = case when $3 > 0 then $3 when d.live_version > 0 then d.live_version else d.version end`,
			tenantID, id, number).Scan(&v.Number, &v.Name, &v.Format, &v.SizeBytes, &v.CreatedAt, &content, &object)
	})
	if err != nil {
		return v, nil, err
	}
	content, err = s.fetch(ctx, tenantID, object, content)
	return v, content, err
}

// CleanName makes the name of an upload fit to show: the last part of a path, without control and direction characters,
// 255 characters at most. It is text for people and never a path.
func CleanName(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) || r == 0x200e || r == 0x200f {
			return -1
		}
		return r
	}, name)
	name = strings.TrimSpace(name)
	if strings.Trim(name, "./") == "" {
		return "Untitled"
	}
	if utf8.RuneCountInString(name) <= MaxNameRunes {
		return name
	}
	ext := []rune(path.Ext(name))
	if len(ext) > 10 {
		ext = nil
	}
	return string([]rune(name)[:MaxNameRunes-len(ext)]) + string(ext)
}
