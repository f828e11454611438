#!/usr/bin/env bash
# Brings in the version that .env names without anybody noticing: first the schema, which the running version can use as well, then one
# web process after the other, while the proxy sends everything to those that are ready.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# A migration gives up after two seconds rather than make others wait for a table.
for ((try = 1; ; try++)); do
  if docker compose run --rm migrate; then break; fi
  [ "$try" -lt 5 ] || exit 1
  sleep 5
done
for service in web-a web-b worker; do
  docker compose up --detach --no-deps --wait "$service"
done
docker compose up --detach
