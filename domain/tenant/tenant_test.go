package tenant_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"bitb/domain"
	"bitb/domain/dbtest"
	"bitb/domain/secret"
	"bitb/domain/tenant"
)

const password = "vier wörter ohne sinn"

func signUp(email string) tenant.SignUp {
	return tenant.SignUp{Company: "Harbour Loop", Name: "Owner", Email: email, Password: password}
}

func service(db *dbtest.Database) *tenant.Service {
	return tenant.NewService(db.DB, func(context.Context, pgx.Tx, domain.ID, string) error { return nil })
}

func TestSignUpAndIn(t *testing.T) {
	s := service(dbtest.New(t))
	made, err := s.SignUp(t.Context(), signUp(" Owner@Example.com "))
	if err != nil {
		t.Fatal(err)
	}
	if made.User.Role != domain.Owner || made.User.Email != "owner@example.com" {
		t.Errorf("made %+v", made)
	}
	got, err := s.SignIn(t.Context(), "OWNER@example.com", password)
	if err != nil || got.Tenant.ID != made.Tenant.ID || got.User.ID != made.User.ID {
		t.Fatalf("signed in as %+v, %v", got, err)
	}
	for _, wrong := range [][2]string{
		{"owner@example.com", password + "x"}, {"owner@example.com", ""}, {"nobody@example.com", password},
		{"", password}, {"owner@example.com\x00", password}, {"' or 1=1 --", password},
	} {
		if _, err := s.SignIn(t.Context(), wrong[0], wrong[1]); !errors.Is(err, tenant.ErrSignIn) {
			t.Errorf("%q: %v, want the one sentence for all", wrong[0], err)
		}
	}
	_, err = s.SignUp(t.Context(), signUp("OWNER@EXAMPLE.COM"))
	if e, ok := errors.AsType[*domain.Error](err); !ok || e.Fields["email"] == "" {
		t.Errorf("the same address twice: %v", err)
	}
}

// A sign-up is all or nothing: without its first bot there is no tenant and no sign-in.
func TestSignUpIsWhole(t *testing.T) {
	db := dbtest.New(t)
	s := tenant.NewService(db.DB, func(context.Context, pgx.Tx, domain.ID, string) error { return errors.New("no bot") })
	if _, err := s.SignUp(t.Context(), signUp("owner@example.com")); err == nil {
		t.Fatal("signed up without a bot")
	}
	for _, table := range []string{"tenants", "users", "auth.logins", "corpora"} {
		if n := db.Count(t, "select count(*) from "+table); n != 0 {
			t.Errorf("%s: %d rows were left", table, n)
		}
	}
}

// What a killed process left is erased by its age and by having been made for it, never by a name, which anybody can choose.
func TestScratchTenants(t *testing.T) {
	db := dbtest.New(t)
	s := service(db)
	form := signUp("owner@example.com")
	form.Company = "bitb eval"
	customer, err := s.SignUp(t.Context(), form)
	if err != nil {
		t.Fatal(err)
	}
	var made []domain.ID
	for range 2 {
		id, err := s.MakeScratch(t.Context(), "bitb eval")
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, id)
	}
	db.Exec(t, "update auth.scratch_tenants set made_at = now() - interval '25 hours' where tenant_id = $1", made[0])
	db.Exec(t, "update tenants set created_at = now() - interval '25 hours' where id <> $1", made[1])
	if n, err := s.EraseScratch(t.Context(), 24*time.Hour); n != 1 || err != nil {
		t.Errorf("%d erased, %v", n, err)
	}
	if n := db.Count(t, "select count(*) from tenants where id in ($1, $2)", customer.Tenant.ID, made[1]); n != 2 {
		t.Errorf("of the customer and the scratch tenant in use %d are left", n)
	}
	if n := db.Count(t, "select count(*) from corpora"); n != 2 {
		t.Errorf("%d corpora are left", n)
	}
	if _, err := s.MakeScratch(t.Context(), ""); domain.CodeOf(err) != domain.Invalid {
		t.Errorf("without a name: %v", err)
	}
}

// A smoke test's customer is to be erased from the beginning, stands in no list of staff, and if the test was killed goes with the next
// one. What is measured with, and a customer who was only called so, stay.
func TestSmokeCustomers(t *testing.T) {
	d := newDesk(t)
	s := service(d.db)
	make := func(company, email string) domain.ID {
		form := signUp(email)
		form.Company = company
		a, err := s.SignUp(t.Context(), form)
		if err != nil {
			t.Fatal(err)
		}
		return a.Tenant.ID
	}
	customer := make("Smoke test", "owner@smoke.bitb.invalid.example.com")
	killed, running := make("Smoke test", "a@"+tenant.SmokeHost), make("Smoke test", "b@"+tenant.SmokeHost)
	measured, err := s.MakeScratch(t.Context(), "bitb eval")
	if err != nil {
		t.Fatal(err)
	}
	if list, err := d.Tenants(t.Context(), "", 1); err != nil || list.Matching != 1 || list.Tenants[0].TenantID != customer {
		t.Errorf("staff see %+v, %v", list, err)
	}
	d.db.Exec(t, "update auth.scratch_tenants set made_at = now() - interval '16 minutes' where tenant_id in ($1, $2)", killed, measured)
	next := make("Smoke test", "c@"+tenant.SmokeHost)
	if n := d.db.Count(t, "select count(*) from tenants where id in ($1, $2, $3, $4)", customer, running, measured, next); n != 4 {
		t.Errorf("%d of the four that are in use are left", n)
	}
	if n := d.db.Count(t, "select count(*) from tenants where id = $1", killed); n != 0 {
		t.Error("what the killed one left is still there")
	}
}

// Where sign-up is by invitation, one lets one company in, once, while it holds. A form that is wrong does not use it up.
func TestInvitations(t *testing.T) {
	db := dbtest.New(t)
	s := service(db)
	s.ByInvitation()
	token, err := s.Invite(t.Context(), "Harbour Loop", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if n := db.Count(t, "select count(*) from auth.invitations where position($1::bytea in token_hash) > 0 or note = $2", []byte(token), token); n != 0 {
		t.Error("the token itself is in the database")
	}
	with := func(email, invitation string) error {
		form := signUp(email)
		form.Invitation = invitation
		_, err := s.SignUp(t.Context(), form)
		return err
	}
	for _, wrong := range []string{"", "invite_x", token + "x"} {
		if err := with("owner@example.com", wrong); !errors.Is(err, tenant.ErrNotInvited) {
			t.Errorf("with %q: %v", wrong, err)
		}
	}
	// Whoever has none is sent away before their password costs anything.
	release := tenant.HoldHashing()
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	form := signUp("owner@example.com")
	form.Invitation = "invite_x"
	if _, err := s.SignUp(soon, form); !errors.Is(err, tenant.ErrNotInvited) {
		t.Errorf("with a wrong one, while others hash: %v", err)
	}
	release()
	if err := with("not an address", token); domain.CodeOf(err) != domain.Invalid {
		t.Errorf("with a wrong address: %v", err)
	}
	if ok, err := s.Invited(t.Context(), token); !ok || err != nil {
		t.Errorf("used up by a wrong form: %v", err)
	}
	if err := with("owner@example.com", token); err != nil {
		t.Fatal(err)
	}
	if err := with("second@example.com", token); !errors.Is(err, tenant.ErrNotInvited) {
		t.Errorf("a second time: %v", err)
	}
	old, err := s.Invite(t.Context(), "Too late", time.Now().Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := with("late@example.com", old); !errors.Is(err, tenant.ErrNotInvited) {
		t.Errorf("too late: %v", err)
	}
	if n := db.Count(t, "select count(*) from tenants"); n != 1 {
		t.Errorf("%d tenants", n)
	}
}

// An owner ends the organisation with their password and its name. Who reads a document of it meanwhile holds it up and does not stop it.
func TestDelete(t *testing.T) {
	db := dbtest.New(t)
	s := service(db)
	a, err := s.SignUp(t.Context(), signUp("owner@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ password, name, field string }{
		{password, "Harbor Loop", "name"}, {password, "", "name"}, {password + "x", "Harbour Loop", "password"},
	} {
		err := s.Delete(t.Context(), a, c.password, c.name)
		if e, ok := errors.AsType[*domain.Error](err); !ok || e.Code != domain.Invalid || len(e.Fields) != 1 || e.Fields[c.field] == "" {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if err := s.Delete(t.Context(), a, password, " Harbour Loop "); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SignIn(t.Context(), "owner@example.com", password); !errors.Is(err, tenant.ErrSignIn) {
		t.Errorf("signed in afterwards: %v", err)
	}
	if n := db.Count(t, "select (select count(*) from tenants) + (select count(*) from auth.tenants) + (select count(*) from auth.scratch_tenants)"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// The process dies between locking everybody out and erasing: the rest is done later.
func TestDeleteIsFinishedLater(t *testing.T) {
	db := dbtest.New(t)
	s := service(db)
	a, err := s.SignUp(t.Context(), signUp("owner@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	db.Exec(t, "create function die() returns trigger language plpgsql as $$ begin raise 'the process was killed'; end $$")
	db.Exec(t, "create trigger die before delete on tenants for each row when (old.name = 'Harbour Loop') execute function die()")
	if err := s.Delete(t.Context(), a, password, "Harbour Loop"); err == nil {
		t.Fatal("erased")
	}
	if _, err := s.SignIn(t.Context(), "owner@example.com", password); !errors.Is(err, tenant.ErrSignIn) {
		t.Errorf("signed in afterwards: %v", err)
	}
	if now, err := s.Account(t.Context(), a.Tenant.ID, a.User.ID); err != nil || now.Epoch == a.Epoch {
		t.Errorf("sessions go on: %+v, %v", now, err)
	}
	// One that cannot be erased keeps none of the others.
	other, err := s.MakeScratch(t.Context(), "bitb eval")
	if err != nil {
		t.Fatal(err)
	}
	db.Exec(t, "update auth.scratch_tenants set made_at = '-infinity' where tenant_id = $1", other)
	var told []domain.ID
	s.AfterErasing(func(_ context.Context, id domain.ID) { told = append(told, id) })
	if n, err := s.EraseScratch(t.Context(), tenant.LeftAfter); n != 1 || err == nil || !strings.Contains(err.Error(), a.Tenant.ID.String()) {
		t.Errorf("%d erased, %v", n, err)
	}
	if !slices.Equal(told, []domain.ID{other}) {
		t.Errorf("told to have been erased: %v, want %v alone", told, other)
	}
	db.Exec(t, "drop trigger die on tenants")
	if n, err := s.EraseScratch(t.Context(), tenant.LeftAfter); n != 1 || err != nil {
		t.Errorf("%d erased, %v", n, err)
	}
	if n := db.Count(t, "select count(*) from tenants"); n != 0 {
		t.Errorf("%d tenants are left", n)
	}
}

func TestSignUpRefuses(t *testing.T) {
	s := service(dbtest.New(t))
	for name, c := range map[string]struct {
		field  string
		change func(*tenant.SignUp)
	}{
		"no company":        {"company", func(f *tenant.SignUp) { f.Company = " " }},
		"long company":      {"company", func(f *tenant.SignUp) { f.Company = strings.Repeat("x", 121) }},
		"no name":           {"name", func(f *tenant.SignUp) { f.Name = "" }},
		"control character": {"name", func(f *tenant.SignUp) { f.Name = "a\x00b" }},
		"no address":        {"email", func(f *tenant.SignUp) { f.Email = "owner" }},
		"two lines":         {"email", func(f *tenant.SignUp) { f.Email = "a@example.com\nb@example.com" }},
		"14 characters":     {"password", func(f *tenant.SignUp) { f.Password = "kurze-14-worte" }},
		"one word again":    {"password", func(f *tenant.SignUp) { f.Password = "passwordpassword" }},
		"keyboard":          {"password", func(f *tenant.SignUp) { f.Password = "qwertyuiopasdfgh" }},
		"own address":       {"password", func(f *tenant.SignUp) { f.Password = "OWNER@example.com" }},
		"too long":          {"password", func(f *tenant.SignUp) { f.Password = strings.Repeat("äb c", 100) }},
	} {
		t.Run(name, func(t *testing.T) {
			form := signUp("owner@example.com")
			c.change(&form)
			_, err := s.SignUp(t.Context(), form)
			e, ok := errors.AsType[*domain.Error](err)
			if !ok || e.Code != domain.Invalid || e.Fields[c.field] == "" || len(e.Fields) != 1 {
				t.Errorf("%v, want a sentence for %s alone", err, c.field)
			}
		})
	}
	form := signUp("long@example.com")
	form.Password = strings.Repeat("säbelzahntiger ", 6)
	if _, err := s.SignUp(t.Context(), form); err != nil {
		t.Errorf("a long password was refused: %v", err)
	}
}

func TestChangePasswordEndsSessions(t *testing.T) {
	s := service(dbtest.New(t))
	a, err := s.SignUp(t.Context(), signUp("owner@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	next := "ganz andere wörter hier"
	if _, err := s.ChangePassword(t.Context(), a, "wrong", next); domain.CodeOf(err) != domain.Invalid {
		t.Errorf("with a wrong password: %v", err)
	}
	epoch, err := s.ChangePassword(t.Context(), a, password, next)
	if err != nil {
		t.Fatal(err)
	}
	now, err := s.Account(t.Context(), a.Tenant.ID, a.User.ID)
	if err != nil || now.Epoch == a.Epoch || now.Epoch != epoch {
		t.Errorf("epoch %d, was %d, %v", now.Epoch, a.Epoch, err)
	}
	if _, err := s.SignIn(t.Context(), a.User.Email, password); !errors.Is(err, tenant.ErrSignIn) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := s.SignIn(t.Context(), a.User.Email, next); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func TestSessions(t *testing.T) {
	db := dbtest.New(t)
	s := tenant.NewSessions(db.DB, dbtest.Sealer(t, "session"))
	if err := s.CommitCtx(t.Context(), "live", []byte("a"), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.CommitCtx(t.Context(), "over", []byte("b"), time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if data, found, err := s.FindCtx(t.Context(), "live"); string(data) != "a" || !found || err != nil {
		t.Errorf("found %q, %v, %v", data, found, err)
	}
	for _, token := range []string{"over", "never"} {
		if _, found, err := s.FindCtx(t.Context(), token); found || err != nil {
			t.Errorf("%s: %v, %v", token, found, err)
		}
	}
	if err := s.DeleteExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := db.Count(t, "select count(*) from auth.sessions"); n != 1 {
		t.Errorf("%d sessions are left", n)
	}
	if err := s.DeleteCtx(t.Context(), "live"); err != nil {
		t.Fatal(err)
	}
	if _, found, _ := s.FindCtx(t.Context(), "live"); found {
		t.Error("a deleted session was found")
	}
}

// Neither who reads the table of sessions nor who writes into it has one: a row made from a cookie of one's own is not found, and
// what stands in one session does not open in another.
func TestSessionsNeedTheKey(t *testing.T) {
	db := dbtest.New(t)
	s := tenant.NewSessions(db.DB, dbtest.Sealer(t, "session"))
	later := time.Now().Add(time.Hour)
	for token, data := range map[string]string{"mine": "user 1", "theirs": "user 2"} {
		if err := s.CommitCtx(t.Context(), token, []byte(data), later); err != nil {
			t.Fatal(err)
		}
	}
	if n := db.Count(t, "select count(*) from auth.sessions where token_hash in ('mine', 'theirs') or position('user' in encode(data, 'escape')) > 0"); n != 0 {
		t.Errorf("%d sessions show what they are", n)
	}
	db.Exec(t, "insert into auth.sessions (token_hash, data, expires_at) values ('made up', 'user 2', $1)", later)
	db.Exec(t, "update auth.sessions a set data = b.data from auth.sessions b where a.token_hash <> b.token_hash and a.token_hash <> 'made up' and b.token_hash <> 'made up'")
	for _, token := range []string{"made up", "mine", "theirs"} {
		if data, found, err := s.FindCtx(t.Context(), token); found || err != nil || data != nil {
			t.Errorf("%s: %q %v %v", token, data, found, err)
		}
	}
}

// Through a whole exchange of the keys, by processes that are a step apart, nobody is signed out; and a session that is used leaves
// the older key behind.
func TestSessionsOutliveTheirKey(t *testing.T) {
	db := dbtest.New(t)
	older, newer := secret.NewKey(), secret.NewKey()
	var steps []*tenant.Sessions
	for _, keys := range []string{"", "plain," + older, older + ",plain", older, older + "," + newer, newer + "," + older, newer} {
		sealer, err := secret.NewSealer("session", keys)
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, tenant.NewSessions(db.DB, sealer))
	}
	commit := func(s *tenant.Sessions) {
		if err := s.CommitCtx(t.Context(), "token", []byte("user 1"), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	commit(steps[0])
	for i := range steps {
		for _, s := range []*tenant.Sessions{steps[i], steps[max(0, i-1)], steps[i]} {
			if data, found, err := s.FindCtx(t.Context(), "token"); string(data) != "user 1" || !found || err != nil {
				t.Fatalf("step %d: %q %v %v", i, data, found, err)
			}
			commit(s)
		}
	}
	last := steps[len(steps)-1]
	counts, err := last.SealedWith(t.Context())
	if want := map[string]int{secret.Fingerprint(newer): 1}; err != nil || !maps.Equal(counts, want) {
		t.Errorf("sessions by key: %v %v, want %v", counts, err, want)
	}
	commit(steps[4])
	if err := steps[5].DeleteCtx(t.Context(), "token"); err != nil {
		t.Fatal(err)
	}
	for i, s := range steps[3:6] { // whoever holds it still, with the key that it was under
		commit(s)
		if _, found, err := s.FindCtx(t.Context(), "token"); found || err != nil {
			t.Errorf("written back after signing out by step %d: %v %v", i+3, found, err)
		}
	}
	db.Exec(t, "update auth.sessions set expires_at = now()")
	if err := last.DeleteExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := db.Count(t, "select count(*) from auth.sessions"); n != 0 {
		t.Errorf("%d sessions are left after signing out", n)
	}
}

// Every tenant comes once, and an error ends it.
func TestEach(t *testing.T) {
	db := dbtest.New(t)
	s := tenant.NewService(db.DB, nil)
	a, b := db.Tenant(t), db.Tenant(t)
	seen := map[domain.ID]int{}
	if err := s.Each(t.Context(), func(id domain.ID) error { seen[id]++; return nil }); err != nil || len(seen) != 2 || seen[a] != 1 || seen[b] != 1 {
		t.Errorf("saw %v, %v", seen, err)
	}
	stop, n := errors.New("stop"), 0
	if err := s.Each(t.Context(), func(domain.ID) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("went on %d times, %v", n, err)
	}
}
