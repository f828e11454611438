# Two commands matter: `make run` and `make test`. `make` alone lists the rest.
SHELL    := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

services := deploy/local/services.sh
generated := git ls-files -co --exclude-standard -- '*_templ.go' static ':!static/src'

# How long `make fuzz` tries each target.
FUZZTIME ?= 5s

.PHONY: help run ready test alerts fuzz disaster services services-stop dev build generate generated lint check bench faults image go node

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## install what is missing, start everything with a demo tenant, and print the addresses
	@exec $(services) run bin/bitb demo

ready: build ## beside make run: the readiness check, then a smoke test
	@bin/bitb doctor && bin/bitb smoke

test: go ## install what is missing, then run every test, the browser's too
	@exec $(services) run --tests go test ./...

alerts: go ## cause every fault that is alerted about, the slow ones too
	@BITB_ALERTS=1 $(services) run --tests go test -count 1 -run 'TestAlerts' -v ./web | grep -v 'SUCCESS$$'

.PHONY: previous switches manifests
previous: go ## build the release before this one (deploy/previous) and try it on this one's schema
	@exec $(services) run --tests deploy/previous.sh go test -count=1 -run TestPreviousOnThisSchema ./web

# How often each: by rolling, by blue and green.
SWITCHES ?= 10

switches: go ## switch between that release and this one under load, ten times each way, and print what was seen
	@exec $(services) run --tests deploy/previous.sh env BITB_SWITCHES=$(SWITCHES) go test -count=1 -timeout 30m -run 'TestSwitches|TestStopKeeps' -v ./web

manifests: go ## check deploy/: Kubernetes' schemas, compose.yaml, the Dockerfile
	@go -C deploy/check test ./...

# What it finds lies in testdata/fuzz of the package, and is a test from then on. It begins from the seeds each time: going
# through all that earlier runs have gathered would take longer than FUZZTIME.
fuzz: go ## feed chance input to every fuzz target for FUZZTIME each, and stop at the first that fails
	@bin=$$(mktemp -d); trap 'rm -r "$$bin"' EXIT; \
	for package in $$(git grep --untracked -l '^func Fuzz' -- 'domain/*_test.go' | xargs -rn1 dirname | sort -u); do \
		go test -c -fuzz=. -o "$$bin/test" "./$$package"; \
		for target in $$("$$bin/test" -test.list '^Fuzz'); do \
			(cd "$$package"; "$$bin/test" -test.run '^$$' -test.fuzz "^$$target$$" -test.fuzztime '$(FUZZTIME)' -test.fuzzminimizetime 10x \
				-test.fuzzcachedir "$$bin/cache/$$package" >"$$bin/log" 2>&1) || { cat "$$bin/log"; exit 1; }; \
			printf '%-36s %s %s\n' "$$package" "$$target" "$$(grep -o 'execs: [0-9]*' "$$bin/log" | tail -1)"; \
		done; \
	done

disaster: build ## back up a demo of its own, delete its whole data directory, restore it, and print what was lost and how long it took
	@deploy/backup/disaster.sh

services: ## start the private PostgreSQL and Redis and leave them up for bin/bitb
	@$(services) install && $(services) start && $(services) status

services-stop: ## stop them; the data stays in .local
	@$(services) stop

dev: go ## run the demo and reload the browser whenever a page or Go file changes
	@echo 'Open http://127.0.0.1:7331: it shows the dashboard and reloads itself. (Styles and scripts: make generate.)'
	@exec $(services) run go tool templ generate --watch --proxy=http://127.0.0.1:8080 --cmd='go run ./web demo'

# gRPC comes with the exporter of traces. Its page of its own requests, which nobody opens, has the linker keep 13 MB more.
build: go ## build bin/bitb
	@go build -tags grpcnotrace -o bin/bitb ./web

generate: go node ## make the Go of the pages, app.css, app.js and widget.js again (needs Node 20)
	@go tool templ generate -path views -log-level warn
	@bash static/src/build.sh

# Without Node the Go of the pages is still checked; what was not is said.
generated: go ## fail when generate changes anything
	@before=$$($(generated) | xargs sha256sum); \
	if $(MAKE) node 2>/dev/null; then $(MAKE) generate; else go tool templ generate -path views -log-level warn; \
	echo 'NOT CHECKED: whether app.css, app.js and widget.js are what their sources make'; fi; \
	diff <(echo "$$before") <($(generated) | xargs sha256sum) || { echo 'Generated files are not current: run make generate and commit them.' >&2; exit 1; }

lint: go ## format, vet, golangci-lint, shellcheck
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l); \
	[ -z "$$unformatted" ] || { printf 'not formatted (run gofmt -w):\n%s\n' "$$unformatted" >&2; exit 1; }
	@go vet ./...
	@go tool -modfile=tools/lint.mod golangci-lint run
	@if command -v shellcheck >/dev/null; then git ls-files -co --exclude-standard '*.sh' .ci/run | xargs shellcheck; \
	else echo 'shellcheck is not installed: shell scripts were not checked'; fi

check: ## what CI runs: lint, generated files current, make test
	@exec bash .ci/run

bench: go ## measure what docs/benchmarks.md quotes
	@exec $(services) run --tests bash -c "go test -run '^$$' -bench . -benchtime 200x -timeout 60m ./web ./domain/retrieve && \
		go test -run '^$$' -bench . -benchtime 5x -timeout 60m ./domain/ingest ./domain/ingest/reader ./domain/ingest/chunk ./domain/questions"

# ONLY=F5,F6 runs some, FULL=1 lets outages last as long as the plan says, LOAD=0.5 halves the requests, OUT=FILE keeps the table.
faults: go ## break the program on purpose, F0 to F24, and show what was expected and what was seen (docs/faults.md)
	@$(services) install && FAULTS=1 ONLY='$(ONLY)' FAULTS_FULL='$(FULL)' FAULTS_LOAD='$(LOAD)' FAULTS_OUT='$(abspath $(OUT))' \
		go test -count=1 -timeout 3h -v ./deploy/faults | grep --line-buffered -v '^=== '

# The major version of the database, for bitb-backup.
POSTGRES ?= 17

image: ## build the container images bitb and bitb-backup
	@docker info >/dev/null 2>&1 || { echo 'No Docker engine answers here (docker info fails), and building the image needs one.' >&2; exit 1; }
	docker build -t bitb --build-arg REVISION=$$(git rev-parse --short=12 HEAD) .
	docker build -t bitb-backup --target backup --build-arg REVISION=$$(git rev-parse --short=12 HEAD) --build-arg POSTGRES=$(POSTGRES) .

go:
	@command -v go >/dev/null || { echo "Go $$(awk '$$1 == "go" {print $$2}' go.mod) or later is needed: https://go.dev/dl" >&2; exit 1; }

node:
	@[ "$$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')" -ge 20 ] 2>/dev/null && command -v npm >/dev/null || \
	{ echo 'Node 20 or later with npm is needed to build the front end: https://nodejs.org' >&2; exit 1; }
