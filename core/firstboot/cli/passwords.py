"""Reading passwords and other secrets: never from an argument, which others can see."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from firstboot.cli.common import fail
from firstboot.secret import Secret

PasswordFileOption = Annotated[
    Path | None,
    typer.Option(
        "--password-file", metavar="<file>", help="Read the password from its first line; - is standard input."
    ),
]


def read_password(file: Path | None) -> Secret:
    """Return the password; without a file it is asked for, twice, unless standard input is no terminal.

    Raises: `FirstbootError` when there is none.
    """
    if file is None and sys.stdin.isatty():
        return Secret(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return read_secret(file or Path("-"))


def read_secret(file: Path) -> Secret:
    """Return what stands in the first line of a file; ``-`` is standard input.

    Raises: `FirstbootError` when that is nothing.
    """
    if str(file) == "-":
        line = sys.stdin.readline()
    else:
        try:
            with file.open(encoding="utf-8") as stream:
                line = stream.readline()
        except UnicodeDecodeError:
            raise fail(f"{file} is not text in UTF-8.") from None
        except OSError as error:
            raise fail(f"{file} cannot be read: {error.strerror}.") from None
    secret = line.rstrip("\r\n")
    if not secret:
        raise fail("There is no password or secret. Type one, or give the file that has it.")
    return Secret(secret)
