"""The file in which an import hands out claim secrets: once, completely, and to its owner only.

The database keeps digests, so a secret that is lost is lost. Therefore each is on disk before the device is:
what is being made stands in a second file beside, and only at the end those that were made become the file that
was asked for. An import that was cut off leaves the second file, and the next one goes on with it.
"""

from __future__ import annotations

import asyncio
import csv
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from firstboot.csv_cells import safe_cell
from firstboot.errors import InvalidValue
from firstboot.moments import moment_text
from firstboot.secret import Secret

HEADER = ("name", "secret", "claim-until")


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSecret:
    """A secret of a device that is about to be written."""

    device_id: UUID
    """Public id."""
    name: str
    secret: Secret
    until_ms: int
    existed: bool
    """Whether the device was there before, and only the secret is new."""


class SecretsFile:
    """Collects secrets beside a file that does not exist yet, and makes it at the end."""

    def __init__(self, path: Path, tenant_id: UUID) -> None:
        """Begin, or go on with what an import into the same tenant has left.

        Raises: `InvalidValue` when the file exists, when another import writes it, or when what is there is not
        of such an import; `OSError`.
        """
        self.path = path
        self.unfinished = path.with_name(f"{path.name}.unfinished")
        if os.path.lexists(path):
            raise InvalidValue(f"{path} exists, and is never overwritten. Give the name of a new file.")
        self._file = _open_private(self.unfinished)
        try:
            self._confirmed = self._read_on(tenant_id)
        except BaseException:
            self._file.close()
            raise

    def _read_on(self, tenant_id: UUID) -> bytearray:
        """Return a byte for each secret that is there already, after a first line that says whose they are."""
        first = self._file.readline()
        mine = {"firstboot-import": str(tenant_id)}
        if first and _decode(first) != mine:
            raise InvalidValue(
                f"{self.unfinished} is of an import into another installation or tenant. Move it out of the way."
            )
        end = self._file.tell()
        count = 0
        for line in self._file:
            if _decode(line) is None:  # cut off while it was written
                break
            count += 1
            end += len(line)
        self._file.seek(end)
        self._file.truncate()
        if not first:
            self._append(json.dumps(mine) + "\n")
            _sync_folder(self.unfinished.parent)
        return bytearray(count)

    def earlier(self) -> Iterator[tuple[int, GivenSecret]]:
        """Yield the secrets of an import that was cut off, with their numbers; nobody knows which were used."""
        with self.unfinished.open("rb") as file:
            file.readline()
            for number, line in zip(range(len(self._confirmed)), file, strict=False):
                yield number, _given(line)

    async def keep(self, secrets: Sequence[GivenSecret]) -> range:
        """Write secrets; they are on disk when this returns. Return their numbers."""
        numbers = range(len(self._confirmed), len(self._confirmed) + len(secrets))
        if secrets:
            self._confirmed.extend(bytes(len(secrets)))
            await asyncio.to_thread(self._append, "".join(map(_line, secrets)))
        return numbers

    def confirm(self, number: int) -> None:
        """Say that the secret opens its device."""
        self._confirmed[number] = 1

    def finish(self) -> int:
        """Make the file of the secrets that were confirmed; return how many. Without any there is no file.

        Raises: `InvalidValue` when somebody else has made it meanwhile; `OSError`. Then nothing is lost.
        """
        count = sum(self._confirmed)
        if count:
            new = self.path.with_name(f".{self.path.name}.new")  # of an earlier try, perhaps
            with suppress(FileNotFoundError):
                new.unlink()
            self._write(new)
            try:
                os.link(new, self.path)  # unlike a rename, it overwrites nothing
            except FileExistsError:
                raise InvalidValue(
                    f"{self.path} was made by somebody else meanwhile; the secrets are in {self.unfinished}."
                ) from None
            finally:
                new.unlink()
            _sync_folder(self.path.parent)
        self.unfinished.unlink()
        self.close()
        return count

    def close(self) -> None:
        """Let go, and leave what is there."""
        self._file.close()

    def _write(self, path: Path) -> None:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADER)
            for number, given in self.earlier():
                if self._confirmed[number]:
                    texts = (given.name, given.secret.reveal(), moment_text(given.until_ms))
                    writer.writerow([safe_cell(text) for text in texts])
            file.flush()
            os.fsync(file.fileno())

    def _append(self, text: str) -> None:
        self._file.write(text.encode())
        self._file.flush()
        os.fsync(self._file.fileno())


def _open_private(path: Path) -> Any:
    """Open a file to add to that only its owner may read, and hold its lock."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    file = open(descriptor, "r+b")  # noqa: SIM115 - the caller closes it
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise InvalidValue(f"Others may read {path}. Move it out of the way.")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise InvalidValue(f"Another import is writing {path}.") from None
    except BaseException:
        file.close()
        raise
    return file


def _line(given: GivenSecret) -> str:
    fields = (given.device_id.hex, given.name, given.secret.reveal(), given.until_ms, given.existed)
    return json.dumps(fields) + "\n"


def _given(line: bytes) -> GivenSecret:
    device_id, name, secret, until_ms, existed = json.loads(line)
    return GivenSecret(
        device_id=UUID(device_id), name=name, secret=Secret(secret), until_ms=until_ms, existed=existed
    )


def _decode(line: bytes) -> Any:
    try:
        return json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
