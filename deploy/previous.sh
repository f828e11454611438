#!/usr/bin/env bash
# previous.sh COMMAND… builds the release before this one and runs COMMAND with its binary in BITB_PREVIOUS. Where the history does not
# reach back to it, it says so and runs COMMAND without (in a shallow clone: git fetch --unshallow).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

commit=$(grep -v '^#' deploy/previous)
binary=$PWD/.local/previous/$commit
if ! git cat-file -e "$commit^{commit}" 2>/dev/null; then
  printf '\nNOT CHECKED: whether the release before this one works beside it.\nIts commit %s is not in this clone.\n\n' "$commit" >&2
  exec "$@"
fi
if [ ! -x "$binary" ]; then
  tree=$(mktemp -d)
  trap 'git worktree remove --force "$tree" 2>/dev/null || rm -rf "$tree"' EXIT
  git worktree add --quiet --detach "$tree" "$commit"
  mkdir -p "${binary%/*}"
  go build -C "$tree" -o "$binary" ./web
  git worktree remove --force "$tree"
fi
# One that knows BITB_DRAIN goes on serving while its proxy learns that it stops; an older one is taken out of it first.
drains=''
if git grep -q BITB_DRAIN "$commit" -- web/config.go; then drains=yes; fi
BITB_PREVIOUS=$binary BITB_PREVIOUS_DRAINS=$drains "$@"
