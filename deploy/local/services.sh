#!/usr/bin/env bash
# The private PostgreSQL and Redis of one checkout, for `make run` and `make test`.
#
#   services.sh install [tests]     install what is missing (root; says what to do otherwise)
#   services.sh start               start both and return; does nothing when they are up
#   services.sh stop                stop both; the data stays
#   services.sh status              one line each; exit status 1 when one is down
#   services.sh env                 shell lines with the addresses
#   services.sh run COMMAND…        install, start, run COMMAND with the addresses in its environment,
#                                   and afterwards stop what was not up before
#   services.sh run --tests COMMAND…  the same with a browser, Tesseract and promtool, and the addresses as BITB_TEST_…
#
# Everything lives below .local/ on ports of its own, so a server that already runs on 5432 or
# 6379 is never touched. DATABASE_URL or REDIS_URL in the environment means: use that one, and
# neither install nor start ours. `run --tests` ignores both, because tests make and drop databases
# and must not do so in somebody's real one; BITB_TEST_DATABASE_URL (a superuser's) and
# BITB_TEST_REDIS_URL take their place.
set -euo pipefail
umask 022

readonly pg_oldest=15            # the oldest PostgreSQL the SQL is written for
readonly vector_oldest=0.8.2     # older ones have CVE-2026-3172 in parallel HNSW builds
readonly pg_first_port=55432 redis_first_port=56379

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
readonly checkout local_dir=${BITB_LOCAL_DIR:-$checkout/.local} # BITB_LOCAL_DIR: another set of both, beside this checkout's

say() { printf '%s\n' "$*" >&2; }
die() { say "services: $*"; exit 1; }
is_root() { [ "$(id -u)" -eq 0 ]; }
want_postgres() { [ -z "${DATABASE_URL:-}" ]; }
want_redis() { [ -z "${REDIS_URL:-}" ]; }

# PostgreSQL refuses to run as root, so root's servers run as the user a package made.
server_user() {
  if ! is_root; then id -un; elif getent passwd postgres >/dev/null; then echo postgres; else echo redis; fi
}

as_server() {
  local user
  user=$(server_user)
  if ! is_root; then "$@"; return; fi
  # From /, because that user may not be allowed where we are.
  (cd / && exec setpriv --reuid="$user" --regid="$user" --init-groups -- "$@")
}

own() { if is_root; then chown "$(server_user):" "$@"; fi; }

# --- what is installed -------------------------------------------------------------------------

at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n1)" = "$2" ]; }

# pg_major prints the newest installed server version that is new enough, pgvector's first.
pg_major() {
  local dir major best=''
  for dir in /usr/lib/postgresql/*/; do
    major=$(basename "$dir")
    if [ ! -x "${dir}bin/postgres" ] || [ ! -x "${dir}bin/initdb" ] || [ "$major" -lt "$pg_oldest" ]; then continue; fi
    if has_vector "$major"; then echo "$major"; return; fi
    if [ -z "$best" ] || [ "$major" -gt "$best" ]; then best=$major; fi
  done
  [ -n "$best" ] && echo "$best"
}

has_vector() {
  local control=/usr/share/postgresql/$1/extension/vector.control version
  [ -r "$control" ] || return 1
  version=$(sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" "$control")
  at_least "${version:-0}" "$vector_oldest"
}

has_postgres() { local major; major=$(pg_major) && has_vector "$major"; }
has_redis() { command -v redis-server >/dev/null && command -v redis-cli >/dev/null; }

has_browser() {
  local name
  for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then return 0; fi
  done
  return 1
}

has_tesseract() { tesseract --list-langs 2>/dev/null | grep -qx eng; }

missing() { # [tests] → one word a line
  if want_postgres && ! has_postgres; then echo postgres; fi
  if want_redis && ! has_redis; then echo redis; fi
  if [ "${1:-}" = tests ]; then
    if ! has_browser; then echo browser; fi
    if ! has_tesseract; then echo tesseract; fi
    if ! command -v promtool >/dev/null; then echo promtool; fi
    if ! command -v pgbouncer >/dev/null; then echo pgbouncer; fi
  fi
}

# --- install -----------------------------------------------------------------------------------

# quiet runs a command whose output is only worth reading when it fails.
quiet() {
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null || status=$?
  [ "$status" -eq 0 ] || tail -n 40 "$log" >&2
  rm -f "$log"
  return "$status"
}

apt_get() {
  DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 quiet apt-get -qq -y --no-install-recommends \
    -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@"
}

candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *//p' | grep -vx '(none)'; }

# apt_major prints the PostgreSQL version this release of Debian or Ubuntu offers.
apt_major() { apt-cache depends postgresql 2>/dev/null | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' | head -n1; }

install() {
  local tests=${1:-} need
  need=$(missing "$tests" | tr '\n' ' ')
  [ -n "$need" ] || return 0
  command -v apt-get >/dev/null ||
    die "missing: $need- and this is neither Debian nor Ubuntu. Install PostgreSQL $pg_oldest or later with pgvector $vector_oldest or later, and Redis; or set DATABASE_URL and REDIS_URL."
  is_root || die "missing: $need- and installing needs root. Run:  sudo $checkout/deploy/local/services.sh install $tests$(by_hand "$need")"
  say "services: installing: $need"
  apt_get update || say "services: apt-get update failed; trying with the lists that are there"
  case $need in *postgres*) install_postgres ;; esac
  case $need in *redis*) install_redis ;; esac
  case $need in *browser*) install_browser ;; esac
  case $need in *tesseract*) apt_get install tesseract-ocr tesseract-ocr-eng ;; esac
  case $need in *promtool*) install_promtool ;; esac
  case $need in *pgbouncer*) without_start pgbouncer ;; esac
}

# by_hand names the packages for somebody who would rather install them by hand.
by_hand() { # what is missing, in words
  local major list=''
  major=$(pg_major || apt_major)
  case $1 in *postgres*) list="postgresql-$major"
    if at_least "$(candidate "postgresql-$major-pgvector" || echo 0)" "$vector_oldest"; then
      list+=" postgresql-$major-pgvector"
    else
      list+=" (and pgvector $vector_oldest, which this release does not package and the line above builds)"
    fi ;;
  esac
  case $1 in *redis*) list="redis-server $list" ;; esac
  case $1 in *browser*) list="$(browser_package) fonts-droid-fallback $list" ;; esac
  case $1 in *tesseract*) list="tesseract-ocr tesseract-ocr-eng $list" ;; esac
  case $1 in *promtool*) list="prometheus $list" ;; esac
  case $1 in *pgbouncer*) list="pgbouncer $list" ;; esac
  printf '\n          or:  sudo apt-get install %s' "$list"
}

# The package brings a server that starts at once and at every boot. Only the tool is taken out of it.
install_promtool() {
  local work
  work=$(mktemp -d)
  chmod 0755 "$work"
  # shellcheck disable=SC2016 # for the inner shell
  quiet bash -c 'cd "$1" && apt-get -qq -o APT::Sandbox::User=root download prometheus && dpkg -x prometheus_*.deb .' - "$work" ||
    die "could not take promtool out of the package prometheus"
  command install -m 0755 "$work/usr/bin/promtool" /usr/local/bin/promtool # install alone is a verb of this script
  rm -rf "$work"
}

install_postgres() {
  local major
  if ! major=$(pg_major); then
    major=$(apt_major)
    [ "${major:-0}" -ge "$pg_oldest" ] ||
      die "this release packages PostgreSQL ${major:-none}; BITB needs $pg_oldest or later. Add the PostgreSQL project's apt repository, or set DATABASE_URL."
    without_main_cluster apt_get install "postgresql-$major"
  fi
  has_vector "$major" && return
  if at_least "$(candidate "postgresql-$major-pgvector" || echo 0)" "$vector_oldest"; then
    apt_get install "postgresql-$major-pgvector"
  else
    build_vector "$major"
  fi
  has_vector "$major" || die "pgvector $vector_oldest or later is still missing after the installation"
}

# The package would make and start a cluster on 5432. Nobody asked for that one.
without_main_cluster() {
  local conf=/etc/postgresql-common/createcluster.conf saved=''
  if [ ! -e "$conf" ]; then
    mkdir -p "$(dirname "$conf")"
    printf '%s\n' '# Written before PostgreSQL was installed for a private cluster: no cluster on port 5432.' \
      'create_main_cluster = false' >"$conf"
  else
    saved=$(mktemp)
    cp "$conf" "$saved"
    echo 'create_main_cluster = false' >>"$conf"
  fi
  local status=0
  "$@" || status=$?
  if [ -n "$saved" ]; then cat "$saved" >"$conf"; rm -f "$saved"; fi
  return "$status"
}

# build_vector compiles the distribution's own source package of a newer release. The archive,
# proxy and keys are the ones apt is configured with here; only the suite differs.
build_vector() { # PostgreSQL major
  local work label uri suite=testing component=main name=debian
  work=$(mktemp -d)
  apt_get install "postgresql-server-dev-$1" dpkg-dev gcc make libc6-dev
  # shellcheck disable=SC2016 # the fields are apt's to expand
  read -r label uri < <(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
    grep -E '^(Debian|Ubuntu) ' | head -n1) || die "found no Debian or Ubuntu archive in the apt settings to take pgvector's source from"
  if [ "$label" = Ubuntu ]; then suite=devel component=universe name=ubuntu; fi
  say "services: building pgvector from $label's source package"
  vector_source "$work" "/usr/share/keyrings/$name-archive-keyring.gpg" "$uri $suite $component" ||
    vector_pinned "$work" "${uri%/}/pool/$component/p/pgvector" ||
    die "could not get pgvector's source package from $uri; install pgvector $vector_oldest or later for PostgreSQL $1 by hand, or set DATABASE_URL"
  # OPTFLAGS is -march=native by default, which would tie the library to this very processor.
  quiet make -C "$work"/pgvector-*/ OPTFLAGS='' with_llvm=no "PG_CONFIG=/usr/lib/postgresql/$1/bin/pg_config" all install ||
    die "building pgvector failed; its source is in $work"
  rm -rf "$work"
}

vector_source() { # directory, keyring, archive with suite and component
  local signed='' private
  if [ -r "$2" ]; then signed="[signed-by=$2]"; fi
  mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
  echo "deb-src $signed $3" >"$1/sources.list"
  private=(-o "Dir::Etc::SourceList=$1/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$1/lists" -o "Dir::Cache=$1/cache" -o APT::Sandbox::User=root)
  apt_get "${private[@]}" update && (cd "$1" && apt_get "${private[@]}" source pgvector)
}

# vector_pinned is for mirrors whose index is ahead of their pool: the upstream tarball of a Debian
# source package, known by the checksum in its signed description.
vector_pinned() { # directory, where the archive keeps the package
  local version=0.8.6 sum=25c9b78cfdaa43c66788d7490246ac24e4fe1c86f19c4b60c089b723f84a4a0d
  say "services: the archive lists a source package it does not have; trying pgvector $version"
  quiet /usr/lib/apt/apt-helper -o APT::Sandbox::User=root download-file "$2/pgvector_$version.orig.tar.gz" \
    "$1/pgvector.tar.gz" "SHA256:$sum" && tar -C "$1" -xzf "$1/pgvector.tar.gz"
}

# without_start installs a package whose server only tests need, which start it themselves: not now and not at boot.
without_start() { # package, of which the service bears the name
  local policy=/usr/sbin/policy-rc.d made='' status=0
  if [ ! -e "$policy" ]; then
    made=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  apt_get install "$1" || status=$?
  if [ -n "$made" ]; then rm -f "$policy"; fi
  if [ -d /run/systemd/system ]; then systemctl disable -q "$1" || true; fi
  return "$status"
}

# The package starts a server on 6379 and at every boot. Ours is started by hand, on its own port.
install_redis() {
  if [ ! -d /run/systemd/system ] || command -v redis-server >/dev/null; then apt_get install redis-server; else
    systemctl mask -q redis-server
    apt_get install redis-server
    systemctl unmask -q redis-server
    systemctl disable -q redis-server
    return
  fi
  if [ -s /run/redis/redis-server.pid ]; then service redis-server stop >&2 || true; fi
}

# Ubuntu's chromium-browser installs a snap.
browser_package() { if candidate chromium >/dev/null; then echo chromium; else echo chromium-browser; fi; }

install_browser() {
  local package
  package=$(browser_package)
  apt_get install "$package" fonts-dejavu-core fonts-droid-fallback # Latin and Arabic; Chinese, Japanese, Korean
  "$package" --version >/dev/null 2>&1 ||
    die "the package $package brought no browser that starts; install Chromium or Google Chrome by hand"
}

# --- where things are --------------------------------------------------------------------------

# state_dir prints the directory that holds the servers' files: .local, or, when the servers' user
# cannot get there (a checkout below /root), one of our own in /var/tmp that .local links to.
state_dir() {
  if [ -L "$local_dir/state" ]; then readlink "$local_dir/state"; else echo "$local_dir"; fi
}

make_state_dir() {
  local dir
  if [ -e "$local_dir" ] && [ ! -w "$local_dir" ]; then
    die "$local_dir belongs to $(stat -c %U "$local_dir"); run this as that user, or remove it first"
  fi
  mkdir -p "$local_dir"
  dir=$(state_dir)/postgres
  if [ -d "$dir" ] && [ "$(stat -c %U "$dir")" != "$(server_user)" ]; then
    die "$dir was made by $(stat -c %U "$dir"); run this as that user, or remove $local_dir first"
  fi
  if [ -L "$local_dir/state" ] && [ -d "$local_dir/state/" ]; then return; fi
  rm -f "$local_dir/state"
  if as_server test -x "$local_dir/." 2>/dev/null; then return; fi
  dir=/var/tmp/bitb-$(printf '%s' "$checkout" | sha256sum | cut -c1-16)
  # Anybody may write in /var/tmp: what is there counts only when it is ours. It is then left from
  # an earlier checkout in this place, whose passwords went with its .local.
  if [ ! -L "$dir" ] && [ -O "$dir" ]; then
    ln -s "$dir" "$local_dir/state"
    stop
    rm -rf "$dir" "$local_dir/state"
  fi
  mkdir -m 0755 "$dir" || die "$dir is in the way; it is not ours"
  ln -s "$dir" "$local_dir/state"
  say "services: the database's user cannot enter $checkout, so its files are in $dir"
}

# secret prints the password kept in a file, after making it up the first time.
secret() {
  if [ ! -s "$1" ]; then (umask 077; od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$1.new"; mv "$1.new" "$1"); fi
  cat "$1"
}

port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
  local port=$1
  until port_free "$port"; do port=$((port + 1)); done
  echo "$port"
}

# alive tells whether the process of a pid file is the server of that directory, and not another
# process that got the number after a kill -9 or a restart of the machine.
alive() { # pid file, directory
  local pid
  pid=$(head -n1 "$1" 2>/dev/null) && [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$(readlink -f "$2")" ]
}

# --- PostgreSQL --------------------------------------------------------------------------------

pg_dir() { echo "$(state_dir)/postgres"; }
pg_bin() { echo "/usr/lib/postgresql/$(cat "$(pg_dir)/PG_VERSION" 2>/dev/null || pg_major)/bin"; }
pg_port() { cat "$local_dir/postgres.port" 2>/dev/null; }

pg_up() {
  local dir port
  dir=$(pg_dir)
  port=$(pg_port) && alive "$dir/postmaster.pid" "$dir" && "$(pg_bin)/pg_isready" -q -h 127.0.0.1 -p "$port"
}

# pg_init makes the cluster beside its place and moves it there, so that one half made is never used.
pg_init() {
  local dir new pwfile
  dir=$(pg_dir) new=$(pg_dir).new
  if [ -s "$dir/PG_VERSION" ]; then return; fi
  say "services: creating the private database in $dir"
  rm -rf "$new"
  mkdir -m 0700 "$new"
  pwfile=$(mktemp)
  secret "$local_dir/postgres.password" >"$pwfile"
  own "$new" "$pwfile"
  as_server "$(pg_bin)/initdb" -D "$new" -U postgres --pwfile="$pwfile" --auth=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8 >/dev/null || { rm -f "$pwfile"; die "initdb failed"; }
  rm -f "$pwfile"
  echo "include 'bitb.conf'" >>"$new/postgresql.conf"
  mv -T "$new" "$dir"
}

pg_configure() { # port
  local dir socket
  dir=$(pg_dir)
  socket=$(state_dir)/run
  mkdir -p "$socket"
  own "$socket"
  if [ "${#socket}" -gt 80 ]; then socket=''; fi # the kernel's limit for a socket's path is 107
  cat >"$dir/bitb.conf" <<CONF
# Written by deploy/local/services.sh at every start.
listen_addresses = '127.0.0.1'
port = $1
unix_socket_directories = '$socket'
max_connections = 200
shared_buffers = 256MB
maintenance_work_mem = 128MB
jit = off
max_wal_size = 512MB
min_wal_size = 80MB
wal_level = minimal
max_wal_senders = 0
logging_collector = off
include_if_exists 'extra.conf'
CONF
}

pg_start() {
  local dir port attempt
  pg_up && return
  dir=$(pg_dir)
  pg_init
  [ -x "$(pg_bin)/postgres" ] ||
    die "$dir was made by PostgreSQL $(cat "$dir/PG_VERSION"), which is no longer installed; install it, or remove $dir to begin with an empty database"
  if [ -e "$dir/postmaster.pid" ] && ! alive "$dir/postmaster.pid" "$dir"; then rm -f "$dir/postmaster.pid"; fi
  port=$(pg_port || echo "$pg_first_port")
  # A port can be taken between the look and the start, and backends of a killed server may need
  # a moment to let go of its shared memory: hence more than one attempt.
  for attempt in 1 2 3 4 5 6; do
    port=$(free_port "$port")
    pg_configure "$port"
    # 9 is the lock: a server that inherits it would hold it for ever.
    if as_server "$(pg_bin)/pg_ctl" -D "$dir" -l "$dir/server.log" -s -w -t 600 start >/dev/null 2>&1 9>&-; then
      echo "$port" >"$local_dir/postgres.port"
      pg_recovered "$port"
      pg_roles "$port"
      return
    fi
    if tail -n 5 "$dir/server.log" | grep -q 'could not bind'; then port=$((port + 1)); fi
    sleep 0.5
  done
  tail -n 20 "$dir/server.log" >&2
  die "PostgreSQL did not start after $attempt attempts; its log is $dir/server.log"
}

# pg_recovered waits until what was restored from a backup takes writes.
pg_recovered() { # port
  while [ "$(PGPASSWORD=$(secret "$local_dir/postgres.password") "$(pg_bin)/psql" -X -tA -h 127.0.0.1 -p "$1" -U postgres \
    -d postgres -c 'select pg_is_in_recovery()' 2>/dev/null)" = t ]; do sleep 0.1; done
}

# pg_roles makes the login role the product uses and its database; migrations do all the rest.
pg_roles() { # port
  local app password
  app=$(secret "$local_dir/postgres.app.password")
  password=$(secret "$local_dir/postgres.password")
  PGPASSWORD=$password "$(pg_bin)/psql" -X -q -v ON_ERROR_STOP=1 -v app="$app" \
    -h 127.0.0.1 -p "$1" -U postgres -d postgres <<'SQL'
select 'create role bitb_app login nosuperuser nocreatedb nocreaterole nobypassrls'
 where not exists (select from pg_roles where rolname = 'bitb_app') \gexec
alter role bitb_app password :'app';
select 'create database bitb' where not exists (select from pg_database where datname = 'bitb') \gexec
SQL
}

pg_stop() {
  local dir
  dir=$(pg_dir)
  alive "$dir/postmaster.pid" "$dir" || return 0
  as_server "$(pg_bin)/pg_ctl" -D "$dir" -s -w -m fast stop
}

# --- Redis -------------------------------------------------------------------------------------

redis_dir() { echo "$(state_dir)/redis"; }
redis_port() { cat "$local_dir/redis.port" 2>/dev/null; }

redis_up() {
  local dir port
  dir=$(redis_dir)
  port=$(redis_port) && alive "$dir/pid" "$dir" && [ "$(redis-cli -h 127.0.0.1 -p "$port" ping 2>/dev/null)" = PONG ]
}

redis_configure() { # port
  cat >"$(redis_dir)/redis.conf" <<CONF
# Written by deploy/local/services.sh at every start. Nothing in it may be worth keeping.
bind 127.0.0.1
port $1
maxmemory 128mb
maxmemory-policy allkeys-lru
save ""
appendonly no
daemonize yes
dir $(redis_dir)
pidfile $(redis_dir)/pid
logfile $(redis_dir)/server.log
CONF
}

redis_start() {
  local dir port attempt wait
  redis_up && return
  dir=$(redis_dir)
  mkdir -p "$dir"
  own "$dir"
  port=$(redis_port || echo "$redis_first_port")
  for attempt in 1 2 3; do
    rm -f "$dir/pid" "$dir/server.log"
    port=$(free_port "$port")
    redis_configure "$port"
    echo "$port" >"$local_dir/redis.port"
    as_server redis-server "$dir/redis.conf" >/dev/null 9>&-
    for wait in {1..100}; do
      redis_up && return
      grep -qs 'Address already in use' "$dir/server.log" && break
      sleep 0.05
    done
    port=$((port + 1))
  done
  tail -n 20 "$dir/server.log" >&2
  die "Redis did not start after $attempt attempts of $((wait / 20)) s; its log is $dir/server.log"
}

redis_stop() {
  local dir pid
  dir=$(redis_dir)
  alive "$dir/pid" "$dir" || return 0
  pid=$(cat "$dir/pid")
  kill "$pid"
  while readlink -q "/proc/$pid/cwd" >/dev/null; do sleep 0.05; done
}

# --- the verbs ---------------------------------------------------------------------------------

# locked keeps two calls in one checkout from starting or stopping at the same time.
locked() {
  make_state_dir
  exec 9>>"$local_dir/lock"
  flock -w 120 9 || die "another start or stop in this checkout has not ended after two minutes"
  "$@"
  exec 9>&-
}

both_up() { { ! want_postgres || pg_up; } && { ! want_redis || redis_up; }; }

start() {
  local need
  if both_up; then return; fi
  need=$(missing | tr '\n' ' ')
  [ -z "$need" ] || die "missing: $need- run:  $checkout/deploy/local/services.sh install"
  if want_postgres; then pg_start; fi
  if want_redis; then redis_start; fi
  # The binary reads this file when DATABASE_URL and REDIS_URL are unset, so it holds ours alone.
  (umask 077; DATABASE_URL='' REDIS_URL='' env_lines >"$local_dir/services.env.new")
  mv "$local_dir/services.env.new" "$local_dir/services.env"
}

stop() {
  rm -f "$local_dir/services.env" "$local_dir/until-last-run"
  redis_stop
  pg_stop
}

# keep is what `start` adds: the services outlive the runs that use them.
start_and_keep() { start; rm -f "$local_dir/until-last-run"; }

start_for_run() {
  if ! both_up; then touch "$local_dir/until-last-run"; fi
  start
}

# Every run holds a shared lock (8) while it lasts. The one that can have it alone is the last.
stop_after_run() {
  if [ -e "$local_dir/until-last-run" ] && flock -n -x 8; then stop; fi
}

run() {
  local tests='' child again status=0
  if [ "${1:-}" = --tests ]; then
    tests=tests
    shift
    DATABASE_URL=${BITB_TEST_DATABASE_URL:-} REDIS_URL=${BITB_TEST_REDIS_URL:-} BITB_MIGRATE_DATABASE_URL=
  fi
  [ $# -gt 0 ] || die "run what?"
  install "$tests"
  mkdir -p "$local_dir"
  exec 8>>"$local_dir/runs"
  flock -s 8
  locked start_for_run
  set -a
  eval "$(env_lines)"
  if [ -n "$tests" ]; then
    BITB_TEST_DATABASE_URL=${BITB_TEST_DATABASE_URL:-$BITB_MIGRATE_DATABASE_URL}
    BITB_TEST_REDIS_URL=${BITB_TEST_REDIS_URL:-$REDIS_URL}
    unset DATABASE_URL REDIS_URL BITB_MIGRATE_DATABASE_URL
  fi
  set +a
  # A process group of its own, so that Ctrl-C reaches the command once, from here, and this
  # script lives on to stop the services. Standard input stays ours: the command has none.
  set -m
  "$@" 8>&- 9>&- </dev/null &
  child=$!
  set +m
  trap 'again=1; kill -INT -- "-$child" 2>/dev/null || true' INT
  trap 'again=1; kill -TERM -- "-$child" 2>/dev/null || true' TERM HUP
  while again=''; status=0; wait "$child" || status=$?; [ -n "$again" ]; do :; done
  unset BITB_MIGRATE_DATABASE_URL DATABASE_URL REDIS_URL
  locked stop_after_run
  return "$status"
}

env_lines() {
  local port
  if ! want_postgres; then
    printf 'DATABASE_URL=%q\n' "$DATABASE_URL"
    if [ -n "${BITB_MIGRATE_DATABASE_URL:-}" ]; then printf 'BITB_MIGRATE_DATABASE_URL=%q\n' "$BITB_MIGRATE_DATABASE_URL"; fi
  elif port=$(pg_port); then
    echo "DATABASE_URL=postgres://bitb_app:$(cat "$local_dir/postgres.app.password")@127.0.0.1:$port/bitb"
    echo "BITB_MIGRATE_DATABASE_URL=postgres://postgres:$(cat "$local_dir/postgres.password")@127.0.0.1:$port/bitb"
  fi
  if ! want_redis; then
    printf 'REDIS_URL=%q\n' "$REDIS_URL"
  elif port=$(redis_port); then
    echo "REDIS_URL=redis://127.0.0.1:$port/0"
  fi
}

status() {
  local ok=0
  if ! want_postgres; then echo 'postgres  DATABASE_URL is set'
  elif pg_up; then echo "postgres  up on 127.0.0.1:$(pg_port), files in $(pg_dir)"
  else echo 'postgres  down'; ok=1; fi
  if ! want_redis; then echo 'redis     REDIS_URL is set'
  elif redis_up; then echo "redis     up on 127.0.0.1:$(redis_port)"
  else echo 'redis     down'; ok=1; fi
  return "$ok"
}

usage() { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

main() {
  local verb=${1:-}
  [ $# -eq 0 ] || shift
  case $verb in
    install) install "$@" ;;
    start) if [ -e "$local_dir/until-last-run" ] || ! both_up; then locked start_and_keep; fi ;;
    stop) if [ -d "$local_dir" ]; then locked stop; fi ;;
    run) run "$@" ;;
    status) status ;;
    env) env_lines ;;
    *) usage; [ "$verb" = help ] || exit 2 ;;
  esac
}

main "$@"
