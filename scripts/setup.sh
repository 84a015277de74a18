#!/bin/sh
# Makes .venv ready: `setup.sh site` for running, `setup.sh dev` for tests and checks as well.
# Finds uv or installs it into .uv by the hashes of scripts/uv.txt, lets it find or fetch a Python >= 3.12, installs the pinned requirements.
set -u
cd "$(dirname "$0")/.." || exit 2
root=$(pwd)
kind=${1:-site}

fail() { echo "$1" >&2; exit 2; }

[ -w . ] || fail "The folder $root cannot be written: make it writable, or clone into another folder."

stamp=".venv/.installed-$kind"
wanted=$(cat pyproject.toml cli/pyproject.toml requirements.txt requirements-dev.txt scripts/setup.sh | cksum)
ready() { [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted $root" ] && .venv/bin/python -c '' 2>/dev/null; }
# The catalogues are compiled again after a change of theirs.
compile() {
  [ -f .venv/.messages ] && [ -z "$(find apps automate_site -name '*.po' -newer .venv/.messages | head -n 1)" ] && return
  .venv/bin/python scripts/messages.py compile && touch .venv/.messages
}
ready && { compile; exit; }

# One at a time: two runs in one checkout share the environment.
if command -v flock >/dev/null 2>&1; then
  exec 9>.setup.lock
  flock 9
  ready && { compile; exit; }
fi

find_uv() {
  for candidate in uv .uv/bin/uv .uv/lib/bin/uv "${HOME:-/nonexistent}/.local/bin/uv"; do
    command -v "$candidate" >/dev/null 2>&1 && "$candidate" --version >/dev/null 2>&1 && { command -v "$candidate"; return 0; }
  done
  return 1
}

install_uv() {
  echo "Installing uv into .uv" >&2
  pinned="--quiet --require-hashes --requirement scripts/uv.txt"
  for python in python3 python; do
    command -v "$python" >/dev/null 2>&1 || continue
    # shellcheck disable=SC2086 # several words
    "$python" -m venv .uv >/dev/null 2>&1 && .uv/bin/python -m pip install $pinned >/dev/null 2>&1 && return 0
    rm -rf .uv
    # shellcheck disable=SC2086
    "$python" -m pip install --target .uv/lib $pinned >/dev/null 2>&1 && return 0
    rm -rf .uv
  done
  return 1
}

uv=$(find_uv) || { install_uv; uv=$(find_uv); } ||
  fail "uv is missing and could not be installed: get it from https://docs.astral.sh/uv/ and run this again."

if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
  "$uv" venv --quiet --clear --python '>=3.12' .venv 2>.setup.log ||
    fail "No Python 3.12 or newer was found, and none could be fetched: install one and run this again ($(grep -m1 -i error .setup.log))."
fi

install() { "$uv" pip install --quiet --python .venv/bin/python "$@" 2>.setup.log; }
echo "Installing requirements" >&2
case $kind in dev) list=requirements-dev.txt ;; *) list=requirements.txt ;; esac
install -r "$list" && install --no-deps --editable . --editable ./cli &&
  { [ "$kind" != dev ] || install --no-deps --target .venv/plugins ./tests/plugins/acme; } ||
  fail "The requirements could not be installed: $(grep -v '^warning' .setup.log | head -n 1)"

rm -f .setup.log
[ "$kind" != dev ] || echo "$wanted $root" >.venv/.installed-site
echo "$wanted $root" >"$stamp"
compile
