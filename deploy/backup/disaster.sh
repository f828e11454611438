#!/usr/bin/env bash
# The whole disaster, for real: the demo with a database of its own is backed up as in production, everything of it is killed,
# the data directories of PostgreSQL and Redis are deleted, and it is restored, compared and tried. Prints what was lost and
# how long it took.
#
#   deploy/backup/disaster.sh          the demo's documents
#   DOCUMENTS=30000 deploy/backup/disaster.sh   and so many generated ones, of ten chunks each
#
# It touches neither the checkout's own services nor any other server: all lies in DISASTER_DIR and is removed at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

dir=${DISASTER_DIR:-/var/tmp/bitb-disaster}
documents=${DOCUMENTS:-0}
bitb=$PWD/bin/bitb
export BITB_LOCAL_DIR=$dir/local BITB_BACKUP_TO=$dir/backups BITB_LOG_LEVEL=WARN
export BITB_LISTEN=127.0.0.1:${DISASTER_PORT:-18180} BITB_DEMO_LISTEN=127.0.0.1:$((${DISASTER_PORT:-18180} + 1)) BITB_METRICS_LISTEN=off
unset BITB_BACKUP_DATABASE_URL
pids=()

# The addresses that this script exports would tell services.sh to start nothing.
services() { env -u DATABASE_URL -u REDIS_URL -u BITB_MIGRATE_DATABASE_URL deploy/local/services.sh "$@"; }

say() { printf '%(%H:%M:%S)T  %s\n' -1 "$*"; }
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="${2:-$(now)}" 'BEGIN { printf "%.1f", b - a }'; }
sql() { psql -XqtA -v ON_ERROR_STOP=1 "$BITB_MIGRATE_DATABASE_URL" "$@"; }
await() { # what, limit in seconds, command…
  local what=$1 limit=$2 i
  shift 2
  for ((i = 0; i < limit * 5; i++)); do if "$@" >/dev/null 2>&1; then return; fi; sleep 0.2; done
  echo "waited $limit s for $what" >&2
  exit 1
}

kill_all() { for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done; pids=(); }
finish() {
  [ $? -eq 0 ] || tail -n 20 "$dir/log" >&2
  kill_all
  services stop
  rm -rf "$dir"
}
trap finish EXIT

background() { "$@" >>"$dir/log" 2>&1 & pids+=($!); disown; }
demo_ready() { [ "$(sql -c "select count(*) filter (where status = 'ready') > 5 and count(*) filter (where status not in ('ready', 'failed')) = 0 from documents")" = t ]; }
page() { curl -fsS -o /dev/null "http://$BITB_LISTEN$1"; }

# counts prints how many rows there are in each table that does not change by itself.
counts() {
  sql -c "select format('%s %s', c.oid::regclass, (xpath('/row/n/text()', query_to_xml(format('select count(*) n from %s', c.oid::regclass), false, true, '')))[1])
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname in ('public', 'auth', 'search') and c.relowner = to_regrole('bitb_owner') and c.relname <> 'sessions' order by 1"
}

# generate makes documents of ten chunks with words, vectors of 384 dimensions and an original of 20 kB that does not compress.
# They are switched off, as their words are none that a question could find.
generate() {
  sql <<SQL
insert into tenants (id, name) select md5('disaster' || n)::uuid, 'Generated ' || n from generate_series(1, 50) n;
insert into corpora (tenant_id) select id from tenants where name like 'Generated %';
create temp table d as select md5('disaster' || n % 50 + 1)::uuid t, md5('document' || n)::uuid id, n from generate_series(1, $documents) n;
insert into documents (tenant_id, id, name, format, size_bytes, sha256, status, off)
  select t, id, 'Document ' || n, 'text', 20000, md5(n::text)::bytea, 'ready', true from d;
insert into document_files (tenant_id, document_id, content)
  select t, id, (select decode(string_agg(md5(random()::text), ''), 'hex') from generate_series(1, 1250) where n > 0) from d;
create temp table c as select t, id document, md5(id || i::text)::uuid id, i from d, generate_series(1, 10) i;
insert into chunks (tenant_id, id, document_id, ordinal, text, tokens, start_offset, end_offset)
  select t, id, document, i, (select string_agg(md5(random()::text), ' ') from generate_series(1, 30) where i > 0), 200, i * 1000, i * 1000 + 999 from c;
insert into search.lexemes (tenant_id, chunk_id, terms, weights)
  select t, id, array(select (random() * 1000000)::integer from generate_series(1, 60) where i > 0), '{1:1}/1000000000' from c;
insert into chunk_embeddings (tenant_id, chunk_id, model, embedding)
  select t, id, 'generated', (select array_agg(random() - 0.5) from generate_series(1, 384) where i > 0)::halfvec from c;
analyze;
SQL
}

rm -rf "$dir"
mkdir -p "$dir"
chmod 755 "$dir"
services install
services start
cp deploy/backup/postgresql.conf "$BITB_LOCAL_DIR/postgres/extra.conf"
services stop
services start
eval "$(services env | sed 's/^/export /')"
BITB_BACKUP_KEYS=$("$bitb" backup key)
export BITB_BACKUP_KEYS

say 'the demo starts, and its documents are read'
background "$bitb" demo
await 'the demo' 120 page /readyz
await 'the documents to be read' 240 demo_ready
if [ "$documents" -gt 0 ]; then say "$documents documents are generated"; generate; fi
sql -c 'create schema disaster; create table disaster.beat (at timestamptz primary key default clock_timestamp())'
size=$(sql -c 'select pg_size_pretty(pg_database_size(current_database()))')

say "backups begin, of a database of $size"
began=$(now)
background "$bitb" backup base --every 24h --stream
has_base() { "$bitb" backup list | grep -q '^base'; }
await 'the first backup' 3600 has_base
took=$(since "$began")
stored=$("$bitb" backup list | awk '$1 == "base" { print $6, $7 }')
say "the first backup took $took s and is $stored"

# Somebody works on: a row a second, with its time, tells afterwards up to when nothing was lost.
for ((i = 0; i < ${SECONDS_OF_WORK:-45}; i++)); do sql -c 'insert into disaster.beat default values'; sleep 1; done
counts >"$dir/before"

say 'DISASTER: every process is killed, and the data directories of PostgreSQL and Redis are deleted'
lost=$(now)
kill_all
postmaster=$(head -n1 "$BITB_LOCAL_DIR/postgres/postmaster.pid")
pkill -9 --session "$postmaster"
kill -9 "$(cat "$BITB_LOCAL_DIR/redis/pid")"
await 'the database to be dead' 30 bash -c "! pgrep --session $postmaster"
rm -rf "$BITB_LOCAL_DIR/postgres" "$BITB_LOCAL_DIR/redis"

began=$(now)
"$bitb" restore --into "$BITB_LOCAL_DIR/postgres" 2>>"$dir/log"
fetched=$(since "$began")
services start
up=$(since "$began")
eval "$(services env | sed 's/^/export /')" # a port may be another now
background "$bitb" serve
await 'the product' 120 page /readyz
"$bitb" smoke --url "http://$BITB_LISTEN"
rto=$(since "$began")

rpo=$(sql -c "select round(extract(epoch from to_timestamp($lost) - max(at))::numeric, 1) from disaster.beat")
counts >"$dir/after"
say "restored after $fetched s, PostgreSQL up after $up s, the smoke test passed after $rto s"
if diff "$dir/before" "$dir/after" >"$dir/difference"; then say 'every table has as many rows as before'; else
  say 'rows that differ, written in the last seconds (< before, > after):'
  cat "$dir/difference"
fi

say 'and once more from here on: a backup of what was restored, and a drill with it'
background "$bitb" backup stream
"$bitb" backup base
"$bitb" drill

printf '\nRPO %s s (goal 300), RTO %s s (goal 1800), database %s, backup %s in %s s\n' "$rpo" "$rto" "$size" "$stored" "$took"
awk -v rpo="$rpo" -v rto="$rto" 'BEGIN { exit !(rpo <= 300 && rto <= 1800) }'
