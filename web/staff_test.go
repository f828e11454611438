package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"bitb/domain/dbtest"
)

func TestStaffCommand(t *testing.T) {
	db := dbtest.New(t)
	values := map[string]string{"DATABASE_URL": db.URL, "REDIS_URL": "redis://127.0.0.1:1", "BITB_PUBLIC_URL": "https://chat.example.com"}
	call := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"staff"}, args...), func(name string) string { return values[name] }, &out)
		return out.String(), err
	}
	if out, err := call("list"); err != nil || !strings.Contains(out, "no staff yet") {
		t.Errorf("%s %v", out, err)
	}
	added, err := call("add", "ada@support.example", "--name", "Ada Ölmann")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Ada Ölmann", "https://chat.example.com/staff/signin", "ada@support.example", `Password     [a-z2-7]{6}-[a-z2-7]{7}-`,
		`Secret       ([A-Z2-7]{4} ){7}[A-Z2-7]{4}\n`, `otpauth://totp/BITB:ada@support\.example\?secret=[A-Z2-7]{32}&issuer=BITB`} {
		if !regexp.MustCompile(want).MatchString(added) {
			t.Errorf("nothing like %s in %s", want, added)
		}
	}
	out, err := call("list")
	if err != nil || !strings.Contains(out, "ada@support.example") || !strings.Contains(out, "Ada Ölmann") {
		t.Errorf("%s %v", out, err)
	}
	secret := regexp.MustCompile(`secret=(\w+)`).FindStringSubmatch(added)[1]
	if strings.Contains(out, secret) {
		t.Error("the list shows a secret")
	}
	for _, wrong := range [][]string{{}, {"add"}, {"add", "x"}, {"add", "ada@support.example"}, {"add", "a@b.example", "c@d.example"}, {"remove"},
		{"list", "--name", "x"}, {"remove", "nobody@support.example"}, {"fly"}, {"add", "--shoes", "a@b.example"}} {
		if out, err := call(wrong...); err == nil {
			t.Errorf("%v: %s", wrong, out)
		}
	}
	if _, err := call("remove", "Ada@support.example"); err != nil {
		t.Fatal(err)
	}
	if n := db.Count(t, "select count(*) from auth.staff"); n != 0 {
		t.Errorf("%d staff are left", n)
	}
}
