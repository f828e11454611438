package tenant

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
)

// Where sign-up is by invitation, whoever runs BITB makes one for each company, and it is used up by the sign-up.

// ByInvitation has nobody sign up without an invitation from now on.
func (s *Service) ByInvitation() { s.invited = true }

// NeedsInvitation reports whether nobody signs up without one.
func (s *Service) NeedsInvitation() bool { return s.invited }

// ErrNotInvited says that there is no such invitation, or that it was used, or that it is too old.
var ErrNotInvited = domain.NewError(domain.Forbidden, "Sign-up is by invitation here, and this one does not hold: it was used already, or it is too old. Ask for a new link.")

// Invite makes an invitation and returns the token, which is kept nowhere. note says whom it is for.
func (s *Service) Invite(ctx context.Context, note string, until time.Time) (token string, err error) {
	token = "invite_" + rand.Text()
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "delete from auth.invitations where expires_at < now()"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "insert into auth.invitations (token_hash, note, expires_at) values ($1, $2, $3)", hashInvitation(token), note, until)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("make an invitation: %w", err)
	}
	return token, nil
}

// Invited reports whether an invitation holds.
func (s *Service) Invited(ctx context.Context, token string) (ok bool, err error) {
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select exists (select from auth.invitations where token_hash = $1 and expires_at > now())", hashInvitation(token)).Scan(&ok)
	})
	return ok, err
}

// useInvitation takes an invitation out, so that of two who come with it one signs up.
func useInvitation(ctx context.Context, tx pgx.Tx, token string) error {
	tag, err := tx.Exec(ctx, "delete from auth.invitations where token_hash = $1 and expires_at > now()", hashInvitation(token))
	if err == nil && tag.RowsAffected() == 0 {
		return ErrNotInvited
	}
	return err
}

// hashInvitation needs no salt: a token has 130 bits by itself.
func hashInvitation(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
