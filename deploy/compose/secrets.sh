#!/usr/bin/env bash
# Makes the secrets of compose.yaml below secrets/, each in a file, and leaves those alone that are there. The directory is its owner's
# alone; the files in it can be read by all, because the containers read them as users of their own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
[ -e .env ] || { echo 'There is no .env yet: cp .env.example .env, and fill it in.' >&2; exit 1; }
# shellcheck source=/dev/null
. ./.env # for the image
umask 022
install -d -m 700 secrets

put() { # name, value
  [ -e "secrets/$1" ] || printf '%s' "$2" >"secrets/$1"
}
key() { head -c 32 /dev/urandom | base64; } # as `bitb keys new` makes them
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

for name in postgres app backup redis grafana; do put "${name}_password" "$(random)"; done
put database_url "postgres://bitb_app:$(cat secrets/app_password)@postgres:5432/bitb"
put migrate_database_url "postgres://postgres:$(cat secrets/postgres_password)@postgres:5432/bitb"
for name in encryption session; do put "${name}_keys" "$(key)"; done
put redis_url "redis://default:$(cat secrets/redis_password)@redis:6379/0"
put backup_database_url "postgres://bitb_backup:$(cat secrets/backup_password)@postgres:5432/bitb"
for name in openai_api_key backup_s3_access_key backup_s3_secret_key; do put "$name" ''; done
# Keep copies of this one and of encryption_keys elsewhere: without them no backup can be read, and of one that can not all.
if [ ! -e secrets/backup_keys ]; then
  made=$(docker run --rm "${BITB_IMAGE:-bitb}:$BITB_VERSION" backup key)
  put backup_keys "$made"
fi
ls -l secrets
