package secret_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"bitb/domain/dbtest"
	"bitb/domain/secret"
)

// What two processes did with their keys is added up; a key that only one of them has is seen by the other, and so is one that is
// never used.
func TestRecordOfUses(t *testing.T) {
	db := dbtest.New(t)
	old, now, odd := "sk-old", "sk-new", "sk-odd"
	one, _ := secret.NewRing("model", now+","+old)
	two, _ := secret.NewRing("model", odd)
	var logged bytes.Buffer
	one.Watch(nil, slog.New(slog.NewTextHandler(&logged, nil)))
	for range 3 {
		one.Used(now, true)
		one.Used(old, false)
	}
	two.Used(odd, true)
	here := secret.NewRecord(db.DB, one)
	for _, r := range []*secret.Record{here, secret.NewRecord(db.DB, two)} {
		if err := r.Write(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	one.Used(now, true)
	if err := here.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, err := here.List(t.Context())
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v %v", all, err)
	}
	for i, want := range []struct {
		key           string
		uses, refused int64
		position      int
	}{{now, 4, 0, 1}, {old, 0, 3, 2}, {odd, 1, 0, 0}} {
		k := all[i]
		if k.Fingerprint != secret.Fingerprint(want.key) || k.Uses != want.uses || k.Refused != want.refused || k.Position != want.position {
			t.Errorf("%s: %+v", want.key, k)
		}
		if (k.Last != nil) != (want.uses > 0) || (k.LastRefused != nil) != (want.refused > 0) || (k.First != nil && time.Since(*k.First) > time.Minute) {
			t.Errorf("%s was used at %v, refused at %v", want.key, k.Last, k.LastRefused)
		}
	}
	if n := strings.Count(logged.String(), "a key was refused"); n != 1 || strings.Contains(logged.String(), old) {
		t.Errorf("three refusals within a minute are logged as %q", logged.String())
	}
}

func TestStore(t *testing.T) {
	db := dbtest.New(t)
	older, newer := secret.NewKey(), secret.NewKey()
	before, after := secret.NewStore(db.DB, sealer(t, older)), secret.NewStore(db.DB, sealer(t, newer, older))
	if _, found, err := before.Get(t.Context(), "cert"); found || err != nil {
		t.Fatalf("%v %v", found, err)
	}
	// One process makes what is missing; when it does not come back, another one may.
	for i, want := range []bool{true, false} {
		if mine, err := before.Lease(t.Context(), "cert", time.Hour); mine != want || err != nil {
			t.Errorf("%d: %v %v", i, mine, err)
		}
	}
	db.Exec(t, "update auth.sealed set lease_until = now()")
	if mine, err := after.Lease(t.Context(), "cert", time.Hour); !mine || err != nil {
		t.Errorf("after the lease: %v %v", mine, err)
	}
	if err := before.Put(t.Context(), "cert", []byte("PRIVATE KEY")); err != nil {
		t.Fatal(err)
	}
	if n := db.Count(t, "select count(*) from auth.sealed where position('PRIVATE' in encode(data, 'escape')) > 0"); n != 0 {
		t.Error("it is kept in clear")
	}
	if mine, err := after.Lease(t.Context(), "cert", time.Hour); mine || err != nil {
		t.Errorf("a lease of what is there: %v %v", mine, err)
	}
	if n, err := after.Reseal(t.Context()); n != 1 || err != nil {
		t.Errorf("%d sealed anew, %v", n, err)
	}
	data, found, err := secret.NewStore(db.DB, sealer(t, newer)).Get(t.Context(), "cert")
	if string(data) != "PRIVATE KEY" || !found || err != nil {
		t.Errorf("the older key is still needed: %q %v %v", data, found, err)
	}
	// Sealing anew what was read a moment ago brings nothing back that was replaced or deleted since.
	var was []byte
	if err := db.Super(t).QueryRow(t.Context(), "select data from auth.sealed where name = 'cert'").Scan(&was); err != nil {
		t.Fatal(err)
	}
	if err := after.Put(t.Context(), "cert", []byte("RENEWED")); err != nil {
		t.Fatal(err)
	}
	if err := after.Resealed(t.Context(), "cert", was, []byte("PRIVATE KEY")); err != nil {
		t.Fatal(err)
	}
	if data, _, err := after.Get(t.Context(), "cert"); string(data) != "RENEWED" {
		t.Errorf("an older one came back: %q %v", data, err)
	}
	if err := after.Delete(t.Context(), "cert"); err != nil {
		t.Fatal(err)
	}
	if err := after.Resealed(t.Context(), "cert", was, []byte("PRIVATE KEY")); err != nil {
		t.Fatal(err)
	}
	if _, found, _ := after.Get(t.Context(), "cert"); found {
		t.Error("it is still there")
	}
}
