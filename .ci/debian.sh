# Read by quickstart.sh and tests/run.sh: what both may have to ask of a bare Debian machine.

# Debian keeps servers in sbin, which is not on everybody's PATH.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# Installs the named packages when this user may without being asked for a password.
debian_install() {
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" -eq 0 ]; then
        as_root="env"
    elif sudo -n true 2>/dev/null; then
        as_root="sudo -n env"
    else
        return 1
    fi
    echo "Installing Debian packages: $*"
    $as_root apt-get -qq update &&
        $as_root DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "$@" >/dev/null
}

# Debian ships Python without the part that makes virtual environments.
has_venv() {
    python3 -c 'import ensurepip, venv' 2>/dev/null
}

need_python() {
    if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "Firstboot needs Python 3.11 or newer as python3; here is: $(python3 --version 2>&1)" >&2
        exit 1
    fi
    if ! has_venv; then
        debian_install python3-venv || true
    fi
    if ! has_venv; then
        echo "python3 cannot make virtual environments here. Type this, then try again:" >&2
        echo "    sudo apt-get update && sudo apt-get install python3-venv" >&2
        exit 1
    fi
}
