package tenant

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/postgres"
)

// Bounds of a case. The table cases has the same ones.
const (
	MinReasonRunes = 10
	MaxReasonRunes = 500
	MaxCaseMinutes = 60
)

// CaseMinutes are the lengths to choose from.
var CaseMinutes = []int{15, 30, MaxCaseMinutes}

// Case is a permission of a staff member to look into one tenant for a while, with the reason.
type Case struct {
	ID         domain.ID
	TenantID   domain.ID
	TenantName string
	StaffName  string
	Reason     string
	OpenedAt   time.Time
	ExpiresAt  time.Time
	ClosedAt   time.Time     // zero: it was not closed; it may have expired
	Left       time.Duration // until it expires, by the database's clock; 0: it is over
}

// Open reports whether somebody may still look.
func (c Case) Open() bool { return c.Left > 0 }

// Ended is when it was over, for one that is.
func (c Case) Ended() time.Time {
	if c.ClosedAt.IsZero() {
		return c.ExpiresAt
	}
	return c.ClosedAt
}

// Identity is the staff member as the request context carries them within the case. The end is counted from now on by this
// process's own running clock: what the wall's clock says does not matter.
func (c Case) Identity(m StaffMember) domain.Identity {
	return domain.Identity{TenantID: c.TenantID, StaffID: m.ID, CaseID: c.ID, Until: time.Now().Add(c.Left)}
}

const caseColumns = `c.tenant_id, c.id, t.name, c.staff_name, c.reason, c.opened_at, c.expires_at, c.closed_at,
	case when c.closed_at is null then greatest(extract(epoch from c.expires_at - now()), 0)::float8 else 0 end`

const fromCases = " from cases c join tenants t on t.id = c.tenant_id "

func scanCase(row pgx.CollectableRow) (Case, error) {
	var c Case
	var closed *time.Time
	var left float64 // seconds
	err := row.Scan(&c.TenantID, &c.ID, &c.TenantName, &c.StaffName, &c.Reason, &c.OpenedAt, &c.ExpiresAt, &closed, &left)
	if closed != nil {
		c.ClosedAt = *closed
	}
	c.Left = time.Duration(left * float64(time.Second))
	return c, err
}

// Visit is what a staff member does, for the tenant's audit log.
type Visit struct {
	Route     string    // as the table of routes has it
	ObjectID  domain.ID // what is looked at; zero: a list
	RequestID string
}

// CaseForm is what opens a case.
type CaseForm struct {
	Reason  string
	Minutes int
	Code    string // a one-time code that was not used before
}

// OpenCase lets a staff member into a tenant, and says so in the tenant's audit log. Wrong fields come back as domain.Invalid.
func (s *Support) OpenCase(ctx context.Context, m StaffMember, tenantID domain.ID, form CaseForm, v Visit) (c Case, err error) {
	form.Reason = strings.Join(strings.Fields(form.Reason), " ")
	wrong := fields{}
	wrong.add("reason", checkReason(form.Reason))
	if !slices.Contains(CaseMinutes, form.Minutes) {
		wrong.add("minutes", "Choose how long, an hour at most.")
	}
	if strings.TrimSpace(form.Code) == "" {
		wrong.add("code", "Enter the code that your app shows now.")
	}
	if err := wrong.err(); err != nil {
		return c, err
	}
	if _, err := s.Tenant(ctx, tenantID); err != nil {
		return c, err
	}
	ok, err := s.useCode(ctx, m.ID, form.Code)
	if err != nil {
		return c, err
	}
	if !ok {
		return c, domain.InvalidField("code", "This code is wrong, or it was used already. Wait for the next one.")
	}
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		c, err = insertCase(ctx, tx, m, tenantID, form)
		if err != nil {
			return err
		}
		return note(ctx, tx, m, c, "case.opened", v)
	})
	return c, err
}

func checkReason(reason string) string {
	switch n := utf8.RuneCountInString(reason); {
	case n < MinReasonRunes:
		return fmt.Sprintf("Say why in at least %d characters. The tenant reads it.", MinReasonRunes)
	case n > MaxReasonRunes:
		return domain.TooLong(n, MaxReasonRunes)
	case !printable(reason):
		return "Use letters, digits and punctuation only."
	}
	return ""
}

func insertCase(ctx context.Context, tx pgx.Tx, m StaffMember, tenantID domain.ID, form CaseForm) (Case, error) {
	id := domain.NewID()
	if err := postgres.SetTenant(ctx, tx, tenantID); err != nil {
		return Case{}, err
	}
	_, err := tx.Exec(ctx, `insert into cases (tenant_id, id, staff_id, staff_name, reason, expires_at)
		values ($1, $2, $3, $4, $5, now() + make_interval(mins => $6))`, tenantID, id, m.ID, m.Name, form.Reason, form.Minutes)
	if err != nil {
		return Case{}, fmt.Errorf("insert a case: %w", err)
	}
	_, err = tx.Exec(ctx, `insert into auth.staff_cases (case_id, tenant_id, staff_id, expires_at)
		values ($1, $2, $3, now() + make_interval(mins => $4))`, id, tenantID, m.ID, form.Minutes)
	if err != nil {
		return Case{}, fmt.Errorf("list a case: %w", err)
	}
	return getCase(ctx, tx, tenantID, id)
}

// getCase reads a case of the tenant that is set.
func getCase(ctx context.Context, tx pgx.Tx, tenantID, id domain.ID) (Case, error) {
	rows, err := tx.Query(ctx, "select "+caseColumns+fromCases+"where c.tenant_id = $1 and c.id = $2", tenantID, id)
	if err != nil {
		return Case{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanCase)
}

// setCase makes tx see the tenant of a staff member's case. Another's case is domain.NotFound.
func setCase(ctx context.Context, tx pgx.Tx, m StaffMember, id domain.ID) (Case, error) {
	var tenantID domain.ID
	err := tx.QueryRow(ctx, "select tenant_id from auth.staff_cases where case_id = $1 and staff_id = $2", id, m.ID).Scan(&tenantID)
	if err != nil {
		return Case{}, err
	}
	if err := postgres.SetTenant(ctx, tx, tenantID); err != nil {
		return Case{}, err
	}
	return getCase(ctx, tx, tenantID, id)
}

// Look writes into the tenant's audit log that a staff member looks at something within a case, and only then returns the case.
// One that is over is domain.ErrCaseOver. What cannot be written down must not be shown: domain.Unavailable.
func (s *Support) Look(ctx context.Context, m StaffMember, id domain.ID, v Visit) (c Case, err error) {
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		if c, err = setCase(ctx, tx, m, id); err != nil {
			return err
		}
		if !c.Open() {
			return domain.ErrCaseOver
		}
		return note(ctx, tx, m, c, "case.viewed", v)
	})
	switch domain.CodeOf(err) {
	case "", domain.Forbidden:
	case domain.NotFound:
		err = domain.NewError(domain.NotFound, "There is no such case.")
	default:
		err = &domain.Error{Code: domain.Unavailable, Err: err,
			Message: "This visit could not be written into the tenant's audit log, so nothing is shown. Try again in a moment."}
	}
	return c, err
}

// CloseCase ends a case; one that is over already stays as it is.
func (s *Support) CloseCase(ctx context.Context, m StaffMember, id domain.ID, v Visit) (c Case, err error) {
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		if c, err = setCase(ctx, tx, m, id); err != nil || !c.Open() {
			return err
		}
		return closeCase(ctx, tx, m, c, v)
	})
	if domain.CodeOf(err) == domain.NotFound {
		err = domain.NewError(domain.NotFound, "There is no such case.")
	}
	return c, err
}

func closeCase(ctx context.Context, tx pgx.Tx, m StaffMember, c Case, v Visit) error {
	_, err := tx.Exec(ctx, "update cases set closed_at = now() where tenant_id = $1 and id = $2 and closed_at is null", c.TenantID, c.ID)
	if err != nil {
		return fmt.Errorf("close a case: %w", err)
	}
	return note(ctx, tx, m, c, "case.closed", v)
}

func closeCases(ctx context.Context, tx pgx.Tx, m StaffMember, v Visit) error {
	open, err := openCases(ctx, tx, m)
	if err != nil {
		return err
	}
	for _, c := range open {
		if err := postgres.SetTenant(ctx, tx, c.TenantID); err != nil {
			return err
		}
		if err := closeCase(ctx, tx, m, c, v); err != nil {
			return err
		}
	}
	return nil
}

// note writes one row into the audit log of the tenant that is set.
func note(ctx context.Context, tx pgx.Tx, m StaffMember, c Case, action string, v Visit) error {
	var object *domain.ID
	if v.ObjectID != (domain.ID{}) {
		object = &v.ObjectID
	}
	_, err := tx.Exec(ctx, `insert into audit_log (tenant_id, id, actor, actor_id, actor_name, case_id, action, route, object_id, request_id)
		values ($1, $2, 'staff', $3, $4, $5, $6, $7, $8, $9)`, c.TenantID, domain.NewID(), m.ID, m.Name, c.ID, action, v.Route, object, v.RequestID)
	if err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	return nil
}

// OpenCases are those a staff member may look into now, the newest first.
func (s *Support) OpenCases(ctx context.Context, m StaffMember) (cases []Case, err error) {
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		cases, err = openCases(ctx, tx, m)
		return err
	})
	return cases, err
}

func openCases(ctx context.Context, tx pgx.Tx, m StaffMember) ([]Case, error) {
	rows, err := tx.Query(ctx, "select case_id from auth.staff_cases where staff_id = $1 and expires_at > now() order by case_id desc", m.ID)
	if err != nil {
		return nil, fmt.Errorf("list open cases: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[domain.ID])
	if err != nil {
		return nil, err
	}
	var open []Case
	for _, id := range ids {
		c, err := setCase(ctx, tx, m, id)
		if err != nil {
			return nil, err
		}
		if c.Open() {
			open = append(open, c)
		}
	}
	return open, nil
}

// LookingIn are the open cases about a tenant, for its members.
func (s *Support) LookingIn(ctx context.Context, tenantID domain.ID) (open []Case, err error) {
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		open, err = listCases(ctx, tx, tenantID, "and c.closed_at is null and c.expires_at > now()", 20)
		return err
	})
	return open, err
}

func listCases(ctx context.Context, tx pgx.Tx, tenantID domain.ID, which string, most int) ([]Case, error) {
	rows, err := tx.Query(ctx, "select "+caseColumns+fromCases+"where c.tenant_id = $1 "+which+" order by c.opened_at desc, c.id limit $2", tenantID, most)
	if err != nil {
		return nil, fmt.Errorf("list cases: %w", err)
	}
	return pgx.CollectRows(rows, scanCase)
}

// AuditPageSize is how many entries a page of the audit log holds.
const AuditPageSize = 50

// AuditEntry is one line of a tenant's audit log.
type AuditEntry struct {
	At        time.Time
	Actor     string    // their name
	CaseID    domain.ID // zero: none
	Action    string    // "case.opened", "case.viewed", "case.closed"
	Route     string
	ObjectID  domain.ID // zero: none
	RequestID string
}

// Audit is a page of a tenant's audit log, the newest first, with the cases of support staff.
type Audit struct {
	Entries []AuditEntry
	Page    int // from 1
	All     int
	Cases   []Case // the last hundred
}

// PageCount is the number of pages of the log, one at least.
func (a Audit) PageCount() int { return max(1, (a.All+AuditPageSize-1)/AuditPageSize) }

// Audit returns a page of the tenant's audit log.
func (s *Support) Audit(ctx context.Context, tenantID domain.ID, page int) (Audit, error) {
	a := Audit{Page: max(1, page)}
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) (err error) {
		if a.Cases, err = listCases(ctx, tx, tenantID, "", 100); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "select count(*) from audit_log where tenant_id = $1", tenantID).Scan(&a.All); err != nil {
			return fmt.Errorf("count the audit log: %w", err)
		}
		rows, err := tx.Query(ctx, `select at, actor_name, case_id, action, route, object_id, request_id from audit_log
			where tenant_id = $1 order by at desc, id desc limit $2 offset $3`, tenantID, AuditPageSize, (a.Page-1)*AuditPageSize)
		if err != nil {
			return fmt.Errorf("read the audit log: %w", err)
		}
		a.Entries, err = pgx.CollectRows(rows, scanEntry)
		return err
	})
	return a, err
}

func scanEntry(row pgx.CollectableRow) (AuditEntry, error) {
	var e AuditEntry
	var about, object *domain.ID
	err := row.Scan(&e.At, &e.Actor, &about, &e.Action, &e.Route, &object, &e.RequestID)
	if about != nil {
		e.CaseID = *about
	}
	if object != nil {
		e.ObjectID = *object
	}
	return e, err
}
