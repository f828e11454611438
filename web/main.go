// Package main is the one binary of the product: `serve` answers HTTP and reads documents, `work` only reads documents,
// `migrate` brings the database up to date, `staff` keeps the list of support staff, `demo` does all of that with a sample customer,
// `backup`, `restore` and `drill` are for the day on which all is lost, `eval` measures. It wires the other packages
// together, reads the environment, and starts and stops things in order; what they do is theirs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"bitb/domain/ingest/reader"
	"bitb/domain/postgres"
	"bitb/handlers"
)

const usage = `bitb turns documents into a chatbot that cites them.

  bitb serve            answer HTTP and read documents
  bitb work             read documents only
  bitb migrate          bring the database to the newest schema
  bitb demo             all three with a sample customer and their website
  bitb staff            add, list and remove support staff (docs/support.md)
  bitb keys new|list|reseal
                        make keys, see which are used, seal anew what older ones sealed (docs/runbooks/rotate-keys.md)
  bitb invite WHOM      print a link with which one company may sign up, where that is by invitation (docs/go-live.md)
  bitb backup           make, schedule, list and prune backups (docs/backups.md)
  bitb restore          bring one back: a data directory to any second, or a dump
  bitb drill            restore the newest into a cluster of its own, check it and measure what it takes
  bitb doctor [--json]  go through what must be so before customers come, against the running system (docs/go-live.md)
  bitb smoke [--url https://chat.example.com] [--invitation LINK] [--timeout 3m] [--json]
                        try the whole product from outside as a throw-away customer, who is erased again (docs/go-live.md)
  bitb healthy          ask the process beside it whether it is ready (for health checks of containers)
  bitb extract FILE…    print what is read from files, as Markdown
  bitb eval --chunks DIR [--tokens 128,320] [--overlap 0,32] [--top 5,10] [--budget 1600] [--json]
                        measure how documents are best cut, on a set of questions (docs/chunks.md)
  bitb eval --set DIR… [--search both,words,vectors] [--json]
                        measure how well questions find their documents, on sets with judgements, through the database and
                        the models of the settings; --json prints an object a line for each set (docs/retrieval.md)

Settings come from the environment; README.md lists them.
`

func main() {
	// The signal ends the context, which stops things in order; a second one ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	if status, ok := errors.AsType[exitCode](err); ok {
		os.Exit(int(status))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bitb:", err)
		if postgres.NotMigrated(err) {
			fmt.Fprintln(os.Stderr, "The database is not migrated, or another one is meant: run `bitb migrate` first.")
		}
		os.Exit(1)
	}
}

// exitCode ends the process with a status when everything has been said already.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

func exitStatus(status int) error {
	if status == 0 {
		return nil
	}
	return exitCode(status)
}

// run is the program without the process: tests call it. It returns when ctx ends and all is stopped.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	switch command {
	case "healthy":
		return healthy(ctx, getenv)
	case "extract":
		return exitStatus((&reader.Child{}).Print(ctx, args[1:], stdout, os.Stderr))
	case "smoke":
		return smokeCommand(ctx, args[1:], getenv, stdout)
	case "doctor":
		return doctorCommand(ctx, args[1:], getenv, stdout)
	case "eval":
		return evaluate(ctx, args[1:], getenv, stdout)
	case "backup", "restore", "drill":
		return backupCommand(ctx, args, getenv, stdout)
	case reader.Argument:
		return exitStatus(reader.ChildMain())
	case "keys":
		if done, err := newKey(args[1:], stdout); done {
			return err
		}
	case "serve", "work", "migrate", "demo", "staff", "invite":
	case "", "help", "-h", "--help":
		fmt.Fprint(stdout, usage)
		return nil
	default:
		return fmt.Errorf("there is no command %q; bitb help lists them", command)
	}
	if len(args) > 1 && !takesArguments[command] {
		return fmt.Errorf("%s takes no arguments, and was given %q; settings come from the environment", command, args[1])
	}
	c, err := loadFor(command, getenv)
	if err = errors.Join(err, c.checkFor(command)); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	c.command = command
	log := handlers.NewLog(os.Stderr, c.LogLevel)
	slog.SetDefault(log) // what libraries say is a line of JSON too
	switch command {
	case "migrate":
		return migrate(ctx, c)
	case "invite":
		return invite(ctx, c, args[1:], stdout)
	case "staff":
		return staff(ctx, c, args[1:], stdout)
	case "keys":
		return keys(ctx, c, args[1], stdout)
	case "demo":
		return demo(ctx, c, log, stdout)
	}
	s, err := newServer(ctx, c, log)
	if err != nil {
		return err
	}
	if err := s.migrated(ctx); err != nil {
		s.close()
		return err
	}
	return s.run(ctx, command == "serve", func() {
		if command == "serve" {
			log.Info("serving", "address", c.PublicURL, "model", s.models.Answer)
		}
	})
}

// takesArguments are the commands beside the server that do. A flag that is not read would be believed.
var takesArguments = map[string]bool{"keys": true, "staff": true, "invite": true}

func migrate(ctx context.Context, c Config) error {
	return postgres.Migrate(ctx, string(c.MigrateURL), migrations())
}
