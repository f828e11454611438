package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"bitb/domain"
	"bitb/domain/postgres"
	"bitb/domain/tenant"
)

const staffUsage = `bitb staff add EMAIL [--name NAME]   make a staff member and print what they sign in with, once
bitb staff list                      list them
bitb staff remove EMAIL              take one out; their sessions and cases end at once`

// staff keeps the list of support staff. It goes to the database as the server does: what it writes, the server may write too,
// so it needs no other secret and runs where the server runs.
func staff(ctx context.Context, c Config, args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return errors.New("say what to do:\n" + staffUsage)
	}
	command, email, name, err := staffArguments(args)
	if err != nil {
		return err
	}
	rings, err := c.keyrings(nil, nil)
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, c.database("bitb staff", 1))
	if err != nil {
		return err
	}
	defer db.Close()
	support := tenant.NewSupport(db, rings.encryption, time.Now)
	switch command {
	case "add":
		return addStaff(ctx, support, email, name, c.PublicURL, stdout)
	case "remove":
		if err := support.Remove(ctx, email); err != nil {
			return sentence(err)
		}
		fmt.Fprintln(stdout, "Removed. Their sessions are over and their open cases are closed.")
		return nil
	}
	return listStaff(ctx, support, stdout)
}

// staffArguments takes --name before or after the address.
func staffArguments(args []string) (command, email, name string, err error) {
	command = args[0]
	flags := flag.NewFlagSet("staff", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&name, "name", "", "")
	var rest []string
	for left := args[1:]; len(left) > 0; {
		if err := flags.Parse(left); err != nil {
			return "", "", "", fmt.Errorf("%w\n%s", err, staffUsage)
		}
		if left = flags.Args(); len(left) > 0 {
			rest, left = append(rest, left[0]), left[1:]
		}
	}
	want := map[string]int{"add": 1, "remove": 1, "list": 0}
	if n, known := want[command]; !known || n != len(rest) || (name != "" && command != "add") {
		return "", "", "", errors.New("that is not complete:\n" + staffUsage)
	}
	return command, strings.Join(rest, ""), name, nil
}

func addStaff(ctx context.Context, support *tenant.Support, email, name, publicURL string, stdout io.Writer) error {
	m, c, err := support.Add(ctx, email, name)
	if err != nil {
		return sentence(err)
	}
	fmt.Fprintf(stdout, addedText, m.Name, publicURL, m.Email, c.Password, inFours(c.Secret), c.URI)
	return nil
}

const addedText = `
  %s is a staff member now. This is shown once:

  Sign in at   %s/staff/signin
  Email        %s
  Password     %s
  Secret       %s
               for an authenticator app: time-based, 6 digits, 30 seconds
  Or as a link %s

`

// inFours parts a secret into groups that can be typed.
func inFours(s string) string {
	var groups []string
	for len(s) > 4 {
		groups, s = append(groups, s[:4]), s[4:]
	}
	return strings.Join(append(groups, s), " ")
}

func listStaff(ctx context.Context, support *tenant.Support, stdout io.Writer) error {
	members, err := support.Members(ctx)
	if err != nil {
		return err
	}
	if len(members) == 0 {
		fmt.Fprintln(stdout, "There is no staff yet. Add somebody with: bitb staff add EMAIL")
		return nil
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 3, ' ', 0)
	for _, m := range members {
		fmt.Fprintf(table, "%s\t%s\tsince %s\n", m.Email, m.Name, m.CreatedAt.UTC().Format(time.DateOnly))
	}
	return table.Flush()
}

// sentence is what a person reads of an error, without its code.
func sentence(err error) error {
	e, ok := errors.AsType[*domain.Error](err)
	if !ok || (e.Code != domain.Invalid && e.Code != domain.NotFound) {
		return err
	}
	for _, text := range e.Fields {
		return errors.New(text)
	}
	return errors.New(e.Message)
}
