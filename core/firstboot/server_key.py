"""The server key: outside the database, made at first start, replaceable (threat SE-3)."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from firstboot.config import ServerConfig
from firstboot.errors import StorageRefused
from firstboot.keyring import KEY_SIZE_BYTES, Keyring
from firstboot.storage import Storage

META_NAME = "keyring"
FILE_NAME = "server.key"
_REMEDY = "Put back the file that was made with the database, readable by Firstboot's user."


async def open_keyring(storage: Storage, config: ServerConfig) -> Keyring:
    """Open the installation's keyring; make key and keyring when the database is new.

    Raises: `StorageRefused` when the database has a keyring, but the key is missing or another one.
    """
    wrapped = await storage.read_meta(META_NAME)
    if wrapped is None:
        async with _alone(config):
            keyring = await _found(storage, config)
        if keyring is not None:
            return keyring
        # Another process was first; its keyring counts.
        wrapped = await storage.read_meta(META_NAME)
    keys = _read_keys(config)
    if wrapped is None or not keys:
        raise StorageRefused(
            f"The server key is missing, and the database was made with one. Put back {_file(config)}, "
            "or set FIRSTBOOT_SERVER__KEY."
        )
    return _open(wrapped, keys)


async def _found(storage: Storage, config: ServerConfig) -> Keyring | None:
    """Make the keyring of a new database; None when it has one by now."""
    if await storage.read_meta(META_NAME) is not None:
        return None
    keys = _read_keys(config)
    server_key = keys[0] if keys else _make_key(config)
    keyring = Keyring.generate()
    if await storage.write_meta(META_NAME, keyring.wrap(server_key), None):
        return keyring
    if not keys:
        # A node with another data directory was first. What was just made opens nothing, and would be in the way.
        _file(config).unlink()
    return None


def _open(wrapped: bytes, keys: list[bytes]) -> Keyring:
    refusal = None
    for key in keys:
        try:
            return Keyring.unwrap(wrapped, key)
        except StorageRefused as error:
            refusal = error
    raise refusal or AssertionError


async def rotate_server_key(storage: Storage, config: ServerConfig) -> Path:
    """Replace the key file's key; running servers go on. Return the file.

    While the database is changed the file has both keys, so that a crash at any moment leaves one that fits.

    Raises: `StorageRefused`.
    """
    if config.key is not None:
        raise StorageRefused(
            f"The server key comes from the configuration. Put it into {_file(config)} (mode 600) and take it out "
            "of the configuration; then it can be replaced."
        )
    keyring = await open_keyring(storage, config)
    async with _alone(config):
        wrapped = await storage.read_meta(META_NAME)
        file = _file(config)
        new_key = os.urandom(KEY_SIZE_BYTES)
        _write(file, [new_key, *_read_keys(config)])
        if not await storage.write_meta(META_NAME, keyring.wrap(new_key), wrapped):
            raise StorageRefused("Another process has replaced the server key at the same time. Try again.")
        _write(file, [new_key])
    return file


@asynccontextmanager
async def _alone(config: ServerConfig) -> AsyncIterator[None]:
    """Keep other processes from changing the key file: one that overwrites another's key loses everything."""
    directory = os.open(config.data_dir, os.O_RDONLY)
    try:
        await asyncio.to_thread(fcntl.flock, directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _file(config: ServerConfig) -> Path:
    return config.data_dir / FILE_NAME


def _read_keys(config: ServerConfig) -> list[bytes]:
    if config.key is not None:
        return [bytes.fromhex(config.key.reveal())]
    file = _file(config)
    try:
        keys = [bytes.fromhex(line) for line in file.read_text("ascii").split()]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise StorageRefused(f"The server key {file} cannot be read ({type(error).__name__}). {_REMEDY}") from None
    if any(len(key) != KEY_SIZE_BYTES for key in keys) or not keys:
        raise StorageRefused(f"The server key {file} is not {KEY_SIZE_BYTES * 2} hexadecimal digits. {_REMEDY}")
    if file.stat().st_mode & 0o077:
        raise StorageRefused(f"Others may read the server key. Run: chmod 600 {file}")
    return keys


def _make_key(config: ServerConfig) -> bytes:
    key = os.urandom(KEY_SIZE_BYTES)
    _write(_file(config), [key])
    return key


def _write(file: Path, keys: list[bytes]) -> None:
    """Replace the file in one step, readable by its owner only, and on disk when this returns."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.writelines(key.hex() + "\n" for key in keys)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
