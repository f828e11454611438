#!/usr/bin/env bash
# Brings in the version that .env names without anybody noticing: first the schema, which the running version can use as well, then one
# web process after the other, while the proxy sends everything to those that are ready.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
docker compose run --rm migrate
for service in web-a web-b worker; do
  docker compose up --detach --no-deps --wait "$service"
done
docker compose up --detach --remove-orphans
