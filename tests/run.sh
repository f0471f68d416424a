#!/bin/sh
# Every check of the project: sh tests/run.sh [pytest arguments]
# Installs what the tests need where this user may, and goes on without it where not:
# tests that miss a service are skipped with the reason (with CI=true they fail).
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=.ci/debian.sh
. ./.ci/debian.sh
need_python

missing=""
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v mosquitto >/dev/null || missing="$missing mosquitto"
command -v mosquitto_pub >/dev/null || missing="$missing mosquitto-clients"
command -v openssl >/dev/null || missing="$missing openssl"
command -v curl >/dev/null || missing="$missing curl"
command -v coap-client-notls >/dev/null || missing="$missing libcoap3-bin"
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"
command -v chromium >/dev/null || missing="$missing chromium"
command -v zbarimg >/dev/null || missing="$missing zbar-tools"
command -v pdftoppm >/dev/null || missing="$missing poppler-utils"
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086 # a list of package names
    debian_install $missing && missing=""
fi

if ! .tox-run/bin/python -m tox --version >/dev/null 2>&1; then
    echo "Installing tox into .tox-run ..."
    python3 -m venv .tox-run
    PIP_DISABLE_PIP_VERSION_CHECK=1 .tox-run/bin/python -m pip install --quiet 'tox >= 4.20'
fi
# Tests wait more than they work: three workers for two processors.
PYTEST_XDIST_AUTO_NUM_WORKERS=$(($(nproc) * 3 / 2))
export PYTEST_XDIST_AUTO_NUM_WORKERS
# setuptools would pack modules that an earlier build left here and that are gone since.
rm -rf build
status=0
.tox-run/bin/python -m tox run -- "$@" || status=$?
[ -z "$missing" ] || echo "Not installed here, so not tested:$missing" >&2
exit "$status"
