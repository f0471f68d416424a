"""The databases of the servers under test: made, filled, and counted behind the server's back."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.frames import token
from firstboot.clock import Clock, new_public_id
from firstboot.config import ConfigSource
from firstboot.core import Core, lay_foundation, open_core
from firstboot.model import (
    PROVISION_STATE,
    PROVISIONED,
    Attribute,
    Credentials,
    DeviceProfile,
    ReprovisionPolicy,
    Scope,
)
from firstboot.sealed_credentials import seal_credentials
from firstboot.storage import AuditEntry, CreateDevice, Outcome

_BATCH = 4096
_STATE = (Attribute(Scope.SERVER, PROVISION_STATE, PROVISIONED),)

_WHOLE = (
    "SELECT count(*) FROM device"
    " JOIN credentials ON credentials.device_id = device.id"
    " JOIN attribute ON attribute.device_id = device.id"
)
# Ranges and not LIKE: they use the index of names.
COUNTS: Mapping[str, str] = {
    "device": f"{_WHOLE} WHERE tenant_id = 1 AND name >= '{{prefix}}-' AND name < '{{prefix}}.'",
    "hardware": f"{_WHOLE} WHERE tenant_id = 1 AND hardware_id >= '{{prefix}}-' AND hardware_id < '{{prefix}}.'",
    "label": f"{_WHOLE} WHERE tenant_id = 1 AND label >= '{{prefix}}-' AND label < '{{prefix}}.'",
    "bucket": (
        "SELECT count(*) FROM resource"
        " WHERE tenant_id = 1 AND kind = 'thinger-bucket' AND name >= '{prefix}-' AND name < '{prefix}.'"
    ),
    "row": "SELECT count(*) FROM resource_row WHERE value LIKE '%\"{prefix}\"%'",
}
"""How to count what a load has made; a device counts once it has credentials and an attribute."""


@dataclass(frozen=True)
class Database:
    """A database with a profile whose devices may provision themselves."""

    data_dir: Path
    key: str
    secret: str
    devices: int
    """How many devices were put in, with the tokens of `benchmarks.frames.token`."""
    application: str
    """An API token that may subscribe to what devices publish at the broker."""
    url: str | None = None
    """None: the SQLite file in the data directory."""

    def count(self, kind: str, prefix: str) -> int:
        """Count what a load has made, in the database itself; ``kind`` is a name in `COUNTS`."""
        return int(self._fetch_column(COUNTS[kind].format(prefix=prefix))[0])

    def counts_reported(self) -> list[int]:
        """Return the newest ``count`` of every device that has reported telemetry."""
        return [int(value) for value in self._fetch_column("SELECT value FROM telemetry WHERE key = 'count'")]

    def _fetch_column(self, sql: str) -> list[Any]:
        if self.url is not None:
            return asyncio.run(_fetch_column(self.url, sql))
        with closing(sqlite3.connect(self.data_dir / "firstboot.db")) as connection:
            return [row[0] for row in connection.execute(sql)]


def make_database(data_dir: Path, *, devices: int = 0, url: str | None = None) -> Database:
    """Make a database with a profile and this many devices, all of which have logged in before."""
    data_dir.mkdir(mode=0o700, parents=True)
    return asyncio.run(_make(data_dir, devices, url))


async def _make(data_dir: Path, devices: int, url: str | None) -> Database:
    settings: dict[str, dict[str, Any]] = {"server": {"data_dir": data_dir}}
    if url is not None:
        settings["storage"] = {"url": url}
    async with open_core(lay_foundation(ConfigSource.read(None, {}, settings)), Clock()) as core:
        draft = DeviceProfile(
            id=0,
            public_id=UUID(int=0),
            tenant_id=1,
            name="benchmark",
            strategy="allow-create-new",
            provision_key=None,
            secret_digest=None,
            secret_sealed=None,
            reprovision=ReprovisionPolicy.REJECT,
        )
        made = await core.profiles.create(draft, key=None, secret=None, actor="benchmark")
        _, application = await core.api_tokens.create(
            1, "benchmark", ["subscribe:devices/#"], None, actor="benchmark"
        )
        for start in range(0, devices, _BATCH):
            indexes = range(start, min(start + _BATCH, devices))
            batch = [_device(core, made.profile, index) for index in indexes]
            results = await core.storage.write(batch, core.keyring.link)
            if any(result.outcome is not Outcome.DONE for result in results):
                raise RuntimeError("the database did not take the devices")
    if url is None and devices:
        with contextlib.closing(sqlite3.connect(data_dir / "firstboot.db")) as connection, connection:
            connection.execute("UPDATE device SET first_login_at_ms = created_at_ms")
    assert made.profile.provision_key is not None  # one was drawn
    key, secret = made.profile.provision_key, made.secret.reveal()
    return Database(data_dir, key, secret, devices, application.reveal(), url)


def _device(core: Core, profile: DeviceProfile, index: int) -> CreateDevice:
    now_ms = core.clock.now_ms()
    public_id = new_public_id(now_ms)
    name = f"filling-{index:08d}"
    credentials = Credentials("ACCESS_TOKEN", token(index))
    return CreateDevice(
        public_id=public_id,
        tenant_id=profile.tenant_id,
        profile_id=profile.id,
        name=name,
        attributes=_STATE,
        credentials=seal_credentials(core.keyring, credentials, public_id.bytes),
        created_at_ms=now_ms,
        provisioned_at_ms=now_ms,
        audit=AuditEntry(
            at_ms=now_ms,
            event="device-provisioned",
            tenant_id=profile.tenant_id,
            profile=profile.name,
            device=name,
            device_id=public_id,
            address="127.0.0.1",
            transport="mqtt",
            dialect="thingsboard",
            detail="created",
        ),
    )


async def _fetch_column(url: str, sql: str) -> list[Any]:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(sql)]
    finally:
        await connection.close()
