#!/bin/sh
# From a fresh checkout to a running server: sh quickstart.sh [options of `firstboot quickstart`]
# Makes .venv beside this file, installs the checkout into it and starts. Run it again at any time.
set -eu
top=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=.ci/debian.sh
. "$top/.ci/debian.sh"
need_python

# The install is editable, so new code needs nothing; new requirements, a moved checkout or another Python do.
installed=$(echo "$top" && python3 --version && cat "$top/setup.cfg" "$top/pyproject.toml")
if [ "$installed" != "$(cat "$top/.venv/installed" 2>/dev/null)" ]; then
    echo "Installing Firstboot and its libraries into .venv (about a minute, only this time) ..."
    python3 -m venv "$top/.venv"
    PIP_DISABLE_PIP_VERSION_CHECK=1 "$top/.venv/bin/python" -m pip install --quiet --editable "$top"
    printf '%s\n' "$installed" >"$top/.venv/installed"
fi
exec "$top/.venv/bin/firstboot" quickstart "$@"
