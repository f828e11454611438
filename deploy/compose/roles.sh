#!/usr/bin/env bash
# Runs once, in the new cluster: the roles that log in get their passwords. What they may do is for `bitb migrate` to say.
set -euo pipefail
psql --quiet --set ON_ERROR_STOP=1 --username postgres --dbname bitb \
  --set app="$(cat /run/secrets/app_password)" --set backup="$(cat /run/secrets/backup_password)" <<'SQL'
create role bitb_app login noinherit password :'app';
create role bitb_backup login replication bypassrls password :'backup';
grant pg_read_all_data to bitb_backup;
SQL
# Base backups come over a connection of this kind, which the image lets in from nowhere.
echo 'host replication bitb_backup all scram-sha-256' >>"$PGDATA/pg_hba.conf"
