#!/usr/bin/env bash
# Runs once, in the new cluster: the roles that log in get their passwords, and the server a certificate of its own making, so that
# connections are encrypted. What the roles may do is for `bitb migrate` to say.
set -euo pipefail
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=postgres \
  -keyout "$PGDATA/server.key" -out "$PGDATA/server.crt"
chmod 600 "$PGDATA/server.key"
psql --quiet --set ON_ERROR_STOP=1 --username postgres --dbname bitb \
  --set app="$(cat /run/secrets/app_password)" --set backup="$(cat /run/secrets/backup_password)" <<'SQL'
create role bitb_app login noinherit password :'app';
create role bitb_backup login replication bypassrls password :'backup';
grant pg_read_all_data to bitb_backup;
alter system set ssl = on;
SQL
# Base backups come over a connection of this kind, which the image lets in from nowhere.
echo 'host replication bitb_backup all scram-sha-256' >>"$PGDATA/pg_hba.conf"
