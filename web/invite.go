package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"bitb/domain/postgres"
	"bitb/domain/tenant"
)

const inviteUsage = `bitb invite [--days 7] WHOM   print a link with which one company may sign up, where BITB_SIGN_UP is invited`

const mostInviteDays = 90

// invite makes an invitation and prints its link, alone, so that a script can take it. It goes to the database as the server does.
func invite(ctx context.Context, c Config, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("invite", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	days := flags.Int("days", 7, "")
	whom := ""
	err := flags.Parse(args)
	if err == nil {
		whom = strings.TrimSpace(strings.Join(flags.Args(), " "))
	}
	if err != nil || whom == "" || *days < 1 || *days > mostInviteDays {
		return errors.Join(err, fmt.Errorf("say whom it is for, and for how long, 1 to %d days:\n  %s", mostInviteDays, inviteUsage))
	}
	db, err := postgres.Open(ctx, c.database("bitb invite", 1))
	if err != nil {
		return err
	}
	defer db.Close()
	until := time.Now().AddDate(0, 0, *days)
	token, err := tenant.NewService(db, nil).Invite(ctx, whom, until)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "For %s. It works once, until %s:\n", whom, until.UTC().Format("2 January 2006, 15:04 UTC"))
	fmt.Fprintln(stdout, c.PublicURL+"/signup?invitation="+url.QueryEscape(token))
	if c.SignUp != "invited" {
		fmt.Fprintln(os.Stderr, "BITB_SIGN_UP is open: anybody may sign up without it.")
	}
	return nil
}
