"""What the examples share: their arguments, questions for what was not given, and the file of credentials."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from pathlib import Path
from typing import Any


def arguments(what: str, *, port: int) -> argparse.ArgumentParser:
    """Return a parser with the arguments that every device has; what is left out is asked for."""
    parser = argparse.ArgumentParser(description=what, allow_abbrev=False)
    parser.add_argument("--host", help="the server (asked for; 127.0.0.1)")
    parser.add_argument("--port", type=int, help=f"its port (asked for; {port})")
    parser.add_argument("--key", help="provision key of the device profile (asked for)")
    parser.add_argument("--secret", help="provision secret of the device profile (asked for)")
    parser.add_argument("--name", help="device name (asked for; left empty, the server makes one up)")
    parser.add_argument("--file", type=Path, default=Path("credentials.json"), help="where credentials are kept")
    return parser


def ask_for_server(given: argparse.Namespace, *, port: int) -> tuple[str, int]:
    """Return host and port of the server."""
    host = ask("Server", given.host, "127.0.0.1")
    while True:
        answer = ask("Port", given.port, str(port))
        if answer.isdecimal() and 0 < int(answer) < 65536:
            return host, int(answer)
        given.port = None
        print("A port is a number from 1 to 65535.")


def ask_for_profile(given: argparse.Namespace) -> dict[str, Any]:
    """Return what every provisioning request begins with."""
    request = {
        "provisionDeviceKey": ask("Provision key", given.key),
        "provisionDeviceSecret": ask("Provision secret", given.secret, secret=True),
    }
    name = ask("Device name", given.name, "")
    return {"deviceName": name, **request} if name else request


def ask(question: str, given: object = None, default: str | None = None, *, secret: bool = False) -> str:
    """Return what was given, else what somebody types; without a default until there is something."""
    if given is not None:
        return str(given)
    hint = f" [{default or 'none'}]" if default is not None else ""
    while True:
        # A secret is not shown while it is typed, where somebody could look.
        read = getpass.getpass if secret and sys.stdin.isatty() else input
        try:
            answer = read(f"{question}{hint}: ").strip()
        except EOFError:
            sys.exit(f"\n{question}: nobody is there to ask. Give it as an argument; see --help.")
        if answer:
            return answer
        if default is not None:
            return default


def accepted(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the credentials in the server's answer, or end the program with its refusal."""
    if answer.get("status") != "SUCCESS":
        sys.exit(f"Not provisioned: {answer.get('status')}: {answer.get('errorMsg')}")
    return {"type": answer["credentialsType"], "value": answer["credentialsValue"]}


def stored(file: Path) -> dict[str, Any] | None:
    """Return the credentials of an earlier boot, and say that they are used; None on the first."""
    try:
        credentials: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    print(f"This is no first boot: the device of {file} goes on. Another needs another --file.", file=sys.stderr)
    return credentials


def store(file: Path, content: dict[str, Any] | bytes) -> None:
    """Keep a secret for the next boot: for this user only, and wholly or not at all if the power fails now."""
    data = content if isinstance(content, bytes) else json.dumps(content, indent=2).encode()
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    # The mode is given at once: between making a file and changing its mode, anybody could open it.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)
