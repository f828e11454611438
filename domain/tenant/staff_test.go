package tenant_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/secret"
	"bitb/domain/tenant"
)

// desk is support with one staff member and a clock that goes on a step with every code, so that each is a new one.
type desk struct {
	*tenant.Support
	db     *dbtest.Database
	member tenant.StaffMember
	signIn tenant.Credentials
	now    time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{db: dbtest.New(t), now: time.Unix(1_800_000_000, 0)}
	d.Support = tenant.NewSupport(d.db.DB, dbtest.Sealer(t, "encryption"), func() time.Time { return d.now })
	var err error
	if d.member, d.signIn, err = d.Add(t.Context(), " Ada@Support.Example ", "Ada"); err != nil {
		t.Fatal(err)
	}
	return d
}

// code is the next one.
func (d *desk) code() string {
	d.now = d.now.Add(30 * time.Second)
	return tenant.Code(d.signIn.Secret, d.now)
}

func (d *desk) tenant(t *testing.T, name string) domain.ID {
	t.Helper()
	id := domain.NewID()
	d.db.Exec(t, "insert into tenants (id, name) values ($1, $2)", id, name)
	return id
}

func (d *desk) open(t *testing.T, tenantID domain.ID) tenant.Case {
	t.Helper()
	c, err := d.OpenCase(t.Context(), d.member, tenantID, tenant.CaseForm{Reason: "The answer about refunds", Minutes: 30, Code: d.code()}, tenant.Visit{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestStaffSignIn(t *testing.T) {
	d := newDesk(t)
	code := d.code()
	if m, err := d.SignIn(t.Context(), "ADA@support.example", d.signIn.Password, code); err != nil || m.ID != d.member.ID || m.Name != "Ada" {
		t.Fatalf("%+v, %v", m, err)
	}
	for name, try := range map[string][3]string{
		"the code once more": {d.member.Email, d.signIn.Password, code},
		"a wrong code":       {d.member.Email, d.signIn.Password, "000000"},
		"a wrong password":   {d.member.Email, "wrong", d.code()},
		"nobody":             {"nobody@support.example", d.signIn.Password, d.code()},
		"nothing":            {"", "", ""},
		"an odd address":     {"ada@support.example\x00", d.signIn.Password, d.code()},
	} {
		if _, err := d.SignIn(t.Context(), try[0], try[1], try[2]); !errors.Is(err, tenant.ErrStaffSignIn) {
			t.Errorf("%s: %v, want the one sentence for all", name, err)
		}
	}
	if _, _, err := d.Add(t.Context(), d.member.Email, ""); domain.CodeOf(err) != domain.Invalid {
		t.Errorf("the same address twice: %v", err)
	}
	if n := d.db.Count(t, "select count(*) from auth.staff where password_hash not like '$argon2id$%' or position($1 in password_hash) > 0", d.signIn.Password); n != 0 {
		t.Error("the password is kept in clear")
	}
}

// Secrets of one-time codes are sealed, each to its own row, and go on to the newest key: with a sign-in, or all at once.
func TestCodeSecretsAreSealed(t *testing.T) {
	d := &desk{db: dbtest.New(t), now: time.Unix(1_800_000_000, 0)}
	older, newer := secret.NewKey(), secret.NewKey()
	support := func(keys string) *tenant.Support {
		sealer, err := secret.NewSealer("encryption", keys)
		if err != nil {
			t.Fatal(err)
		}
		return tenant.NewSupport(d.db.DB, sealer, func() time.Time { return d.now })
	}
	var err error
	if d.member, d.signIn, err = support("").Add(t.Context(), "ada@support.example", "Ada"); err != nil {
		t.Fatal(err)
	}
	signIn := func(s *tenant.Support) error {
		_, err := s.SignIn(t.Context(), d.member.Email, d.signIn.Password, d.code())
		return err
	}
	clear := d.db.Count(t, "select length(totp_secret) from auth.staff")
	if err := signIn(support(older)); !errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("what is not sealed was taken: %v", err)
	}
	if n, err := support(older + ",plain").Reseal(t.Context()); n != 1 || err != nil {
		t.Errorf("%d sealed, %v", n, err)
	}
	if n := d.db.Count(t, "select length(totp_secret) from auth.staff"); n <= clear {
		t.Errorf("%d bytes: it is not sealed", n)
	}
	for i, s := range []*tenant.Support{support(older), support(newer + "," + older), support(newer)} {
		if err := signIn(s); err != nil {
			t.Errorf("step %d: %v", i, err)
		}
	}
	counts, err := support(newer).SealedWith(t.Context())
	if want := map[string]int{secret.Fingerprint(newer): 1}; err != nil || !maps.Equal(counts, want) {
		t.Errorf("secrets by key: %v %v, want %v", counts, err, want)
	}
	// One whose key is lost keeps none of the others.
	if _, _, err := support(secret.NewKey()).Add(t.Context(), "eve@support.example", "Eve"); err != nil {
		t.Fatal(err)
	}
	newest := secret.NewKey()
	if n, err := support(newest + "," + newer).Reseal(t.Context()); n != 1 || !errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("%d sealed anew, %v", n, err)
	}
	if counts, err := support(newest).SealedWith(t.Context()); err != nil || counts[secret.Fingerprint(newest)] != 1 {
		t.Errorf("secrets by key: %v %v", counts, err)
	}
	d.db.Exec(t, "delete from auth.staff where name = 'Eve'")
	_, other, err := support(newest).Add(t.Context(), "bob@support.example", "Bob")
	if err != nil {
		t.Fatal(err)
	}
	d.db.Exec(t, "update auth.staff a set totp_secret = b.totp_secret from auth.staff b where a.id <> b.id")
	if _, err := support(newest).SignIn(t.Context(), d.member.Email, d.signIn.Password, tenant.Code(other.Secret, d.now)); err == nil {
		t.Error("a secret opened in the row of another")
	}
}

// A code is good for one person once, however many try it at the same time.
func TestCodeIsTakenOnce(t *testing.T) {
	d := newDesk(t)
	code := d.code()
	var in atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := d.SignIn(context.Background(), d.member.Email, d.signIn.Password, code); err == nil {
				in.Add(1)
			}
		})
	}
	all.Wait()
	if in.Load() != 1 {
		t.Errorf("%d got in with one code", in.Load())
	}
}

func TestWrongCodesThrottle(t *testing.T) {
	d := newDesk(t)
	for range 5 {
		if _, err := d.SignIn(t.Context(), d.member.Email, d.signIn.Password, "000000"); !errors.Is(err, tenant.ErrStaffSignIn) {
			t.Fatal(err)
		}
	}
	_, err := d.SignIn(t.Context(), d.member.Email, d.signIn.Password, d.code())
	e, ok := errors.AsType[*domain.Error](err)
	if !ok || e.Code != domain.RateLimited || e.RetryAfter < 14*time.Minute {
		t.Errorf("the sixth try: %v", err)
	}
	// Who does not know the password can neither see that nor cause it.
	if _, err := d.SignIn(t.Context(), d.member.Email, "wrong", d.code()); !errors.Is(err, tenant.ErrStaffSignIn) {
		t.Errorf("with a wrong password: %v", err)
	}
	d.db.Exec(t, "update auth.staff set wrong_at = wrong_at - interval '16 minutes'")
	if _, err := d.SignIn(t.Context(), d.member.Email, d.signIn.Password, d.code()); err != nil {
		t.Errorf("after the pause: %v", err)
	}
	if n := d.db.Count(t, "select wrong_codes from auth.staff"); n != 0 {
		t.Errorf("%d wrong codes are counted after a right one", n)
	}
}

func TestCase(t *testing.T) {
	d := newDesk(t)
	id := d.tenant(t, "Harbour Loop")
	form := tenant.CaseForm{Reason: "  The answer about refunds\n was wrong ", Minutes: 60, Code: d.code()}
	for field, change := range map[string]func(*tenant.CaseForm){
		"reason":  func(f *tenant.CaseForm) { f.Reason = "too short" },
		"minutes": func(f *tenant.CaseForm) { f.Minutes = 61 },
		"code":    func(f *tenant.CaseForm) { f.Code = "" },
	} {
		wrong := form
		change(&wrong)
		_, err := d.OpenCase(t.Context(), d.member, id, wrong, tenant.Visit{})
		if e, ok := errors.AsType[*domain.Error](err); !ok || e.Fields[field] == "" || len(e.Fields) != 1 {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := d.OpenCase(t.Context(), d.member, domain.NewID(), form, tenant.Visit{}); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("a tenant that is not there: %v", err)
	}
	c, err := d.OpenCase(t.Context(), d.member, id, form, tenant.Visit{RequestID: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	if !c.Open() || c.Left > time.Hour || c.Left < 59*time.Minute || c.Reason != "The answer about refunds was wrong" || c.TenantName != "Harbour Loop" {
		t.Errorf("opened %+v", c)
	}
	if _, err := d.OpenCase(t.Context(), d.member, id, form, tenant.Visit{}); domain.CodeOf(err) != domain.Invalid {
		t.Errorf("with a code that was used: %v", err)
	}
	object := domain.NewID()
	if _, err := d.Look(t.Context(), d.member, c.ID, tenant.Visit{Route: "/staff/cases/:id/conversations/:conversation", ObjectID: object, RequestID: "r2"}); err != nil {
		t.Fatal(err)
	}
	if open, err := d.LookingIn(t.Context(), id); err != nil || len(open) != 1 || open[0].StaffName != "Ada" {
		t.Errorf("the tenant sees %+v, %v", open, err)
	}
	if _, err := d.CloseCase(t.Context(), d.member, c.ID, tenant.Visit{RequestID: "r3"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Look(t.Context(), d.member, c.ID, tenant.Visit{}); !errors.Is(err, domain.ErrCaseOver) {
		t.Errorf("into a closed case: %v", err)
	}
	log, err := d.Audit(t.Context(), id, 1)
	if err != nil || len(log.Entries) != 3 || log.All != 3 || len(log.Cases) != 1 || log.Cases[0].ClosedAt.IsZero() {
		t.Fatalf("the log: %+v, %v", log, err)
	}
	for i, want := range []tenant.AuditEntry{{Action: "case.closed", RequestID: "r3"},
		{Action: "case.viewed", RequestID: "r2", Route: "/staff/cases/:id/conversations/:conversation", ObjectID: object}, {Action: "case.opened", RequestID: "r1"}} {
		got := log.Entries[i]
		if got.At.IsZero() || got.Actor != "Ada" || got.CaseID != c.ID {
			t.Errorf("entry %d: %+v", i, got)
		}
		got.At, got.Actor, got.CaseID = time.Time{}, "", domain.ID{}
		if got != want {
			t.Errorf("entry %d: %+v, want %+v", i, got, want)
		}
	}
}

// A case belongs to who opened it and ends with its time, and with them.
func TestCaseEnds(t *testing.T) {
	d := newDesk(t)
	id := d.tenant(t, "Harbour Loop")
	other, _, err := d.Add(t.Context(), "bob@support.example", "Bob")
	if err != nil {
		t.Fatal(err)
	}
	c := d.open(t, id)
	for name, look := range map[string]func() (tenant.Case, error){
		"somebody else's": func() (tenant.Case, error) { return d.Look(t.Context(), other, c.ID, tenant.Visit{}) },
		"none":            func() (tenant.Case, error) { return d.Look(t.Context(), d.member, domain.NewID(), tenant.Visit{}) },
		"closing another": func() (tenant.Case, error) { return d.CloseCase(t.Context(), other, c.ID, tenant.Visit{}) },
	} {
		if _, err := look(); domain.CodeOf(err) != domain.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	d.db.Exec(t, "update cases set opened_at = opened_at - interval '50 minutes', expires_at = now() where id = $1", c.ID)
	if _, err := d.Look(t.Context(), d.member, c.ID, tenant.Visit{}); !errors.Is(err, domain.ErrCaseOver) {
		t.Errorf("an expired one: %v", err)
	}
	c = d.open(t, id)
	if err := d.Remove(t.Context(), "ADA@support.example"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Look(t.Context(), d.member, c.ID, tenant.Visit{}); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("of one who is gone: %v", err)
	}
	if open, err := d.LookingIn(t.Context(), id); err != nil || len(open) != 0 {
		t.Errorf("the tenant still sees %+v, %v", open, err)
	}
	if _, err := d.Member(t.Context(), d.member.ID); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("who is gone: %v", err)
	}
	if log, err := d.Audit(t.Context(), id, 1); err != nil || len(log.Cases) != 2 || len(log.Entries) != 3 {
		t.Errorf("what they did is kept: %+v, %v", log, err)
	}
}

// What cannot be written down is not shown.
func TestNoLookWithoutNote(t *testing.T) {
	d := newDesk(t)
	c := d.open(t, d.tenant(t, "Harbour Loop"))
	d.db.Exec(t, "revoke insert on audit_log from bitb_system")
	if got, err := d.Look(t.Context(), d.member, c.ID, tenant.Visit{}); domain.CodeOf(err) != domain.Unavailable {
		t.Errorf("showed %+v, %v", got, err)
	}
	form := tenant.CaseForm{Reason: "The answer about refunds", Minutes: 15, Code: d.code()}
	if _, err := d.OpenCase(t.Context(), d.member, c.TenantID, form, tenant.Visit{}); err == nil {
		t.Error("a case was opened that nobody sees")
	}
	if n := d.db.Count(t, "select count(*) from cases"); n != 1 {
		t.Errorf("%d cases", n)
	}
}

// The database itself holds a case to an hour and to a reason.
func TestCaseIsBoundInTheDatabase(t *testing.T) {
	d := newDesk(t)
	id := d.tenant(t, "Harbour Loop")
	for name, sql := range map[string]string{
		"61 minutes": "insert into cases (tenant_id, id, staff_id, staff_name, reason, expires_at) values ($1, $2, $2, 'A', 'long enough', now() + interval '61 minutes')",
		"no reason":  "insert into cases (tenant_id, id, staff_id, staff_name, reason, expires_at) values ($1, $2, $2, 'A', 'short', now() + interval '1 minute')",
	} {
		_, err := d.db.Super(t).Exec(t.Context(), sql, id, domain.NewID())
		if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "23514" {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := d.open(t, id)
	err := d.db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "update cases set expires_at = now() + interval '1 hour' where id = $1", c.ID)
		return err
	})
	if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "42501" {
		t.Errorf("a case was made longer: %v", err)
	}
}

func TestHealth(t *testing.T) {
	d := newDesk(t)
	a, b := d.tenant(t, "Harbour Loop"), d.tenant(t, "Ölmühle")
	doc := func(tenant domain.ID, status string) {
		d.db.Exec(t, "insert into documents (tenant_id, id, name, format, size_bytes, sha256, status) values ($1, $2, 'geheim', 'text', 1, $3, $4)",
			tenant, domain.NewID(), domain.NewID().String(), status)
	}
	doc(a, "ready")
	doc(a, "failed")
	bot, conversation := domain.NewID(), domain.NewID()
	d.db.Exec(t, "insert into bots (tenant_id, id, key, name, greeting, fallback) values ($1, $2, $2, 'B', 'G', 'F')", a, bot)
	visitor := domain.NewID()
	d.db.Exec(t, "insert into visitors (tenant_id, id, bot_id, token_hash) values ($1, $2, $3, 'x')", a, visitor, bot)
	d.db.Exec(t, "insert into conversations (tenant_id, id, bot_id, visitor_id) values ($1, $2, $3, $4)", a, conversation, bot, visitor)
	for status, age := range map[string]string{"complete": "1 hour", "fallback": "2 days", "quoted": "6 days", "failed": "8 days"} {
		d.db.Exec(t, "insert into messages (tenant_id, id, conversation_id, author, text, status, created_at) values ($1, $2, $3, 'bot', 'geheim', $4, now() - $5::interval)",
			a, domain.NewID(), conversation, status, age)
	}
	d.db.Exec(t, "insert into auth.scratch_tenants (tenant_id) values ($1)", d.tenant(t, "Made to measure"))
	list, err := d.Tenants(t.Context(), "", 1)
	if err != nil || list.Matching != 2 || len(list.Tenants) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	got := list.Tenants[0]
	if time.Since(got.LastActive) > time.Minute {
		t.Errorf("last active %s", got.LastActive)
	}
	got.LastActive, got.CreatedAt = time.Time{}, time.Time{}
	if want := (tenant.Health{TenantID: a, Name: "Harbour Loop", Documents: 2, Failed: 1, Answers: 3, Errors: 1, Unanswered: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if empty := list.Tenants[1]; empty.TenantID != b || empty.Documents != 0 || empty.Answers != 0 || !empty.LastActive.IsZero() {
		t.Errorf("a tenant with nothing: %+v", empty)
	}
	for search, want := range map[string]int{"loop": 1, "ÖLM": 1, a.String(): 1, "geheim": 0, "%": 0} {
		if list, err := d.Tenants(t.Context(), search, 1); err != nil || len(list.Tenants) != want {
			t.Errorf("%q finds %d, %v", search, len(list.Tenants), err)
		}
	}
	if list, err := d.Tenants(t.Context(), "", 2); err != nil || len(list.Tenants) != 0 {
		t.Errorf("the second page: %+v, %v", list, err)
	}
}

// The list of tenants follows sign-ups and new names, and its role cannot read more than it shows.
func TestTenantsAreListed(t *testing.T) {
	d := newDesk(t)
	s := service(d.db)
	a, err := s.SignUp(t.Context(), signUp("owner@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Rename(t.Context(), a.Tenant.ID, "Harbour Loop Bikes"); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Tenant(t.Context(), a.Tenant.ID); err != nil || got.Name != "Harbour Loop Bikes" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, sql := range []string{"select name from documents", "select text from messages", "select failure_message from documents", "select question from retrievals"} {
		err := d.db.AsSystem(t.Context(), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), sql)
			return err
		})
		if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestNewStaffIsChecked(t *testing.T) {
	d := newDesk(t)
	for _, email := range []string{"", "ada", "a@b.c\nd@e.f"} {
		if _, _, err := d.Add(t.Context(), email, ""); domain.CodeOf(err) != domain.Invalid {
			t.Errorf("%q: %v", email, err)
		}
	}
	m, c, err := d.Add(t.Context(), "bob@support.example", "")
	if err != nil || m.Name != "bob" || len(c.Password) < 26 || len(c.Secret) != 32 || !strings.Contains(c.URI, c.Secret) {
		t.Errorf("%+v %d %d %v", m, len(c.Password), len(c.Secret), err)
	}
	members, err := d.Members(t.Context())
	if err != nil || len(members) != 2 || members[0].Email != "ada@support.example" {
		t.Errorf("%+v, %v", members, err)
	}
	if err := d.Remove(t.Context(), "nobody@support.example"); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("nobody: %v", err)
	}
}
