"""What somebody reads who has the database and the server key, for the tests."""

from __future__ import annotations

from pathlib import Path

from tests.harness import TestServer

from firstboot.sealed_credentials import unseal_credentials
from firstboot.storage import DeviceQuery


async def opened_credentials(server: TestServer, tenant_id: int = 1) -> list[str]:
    """Return the credentials of all devices, unsealed, as they were stored."""
    texts = []
    for device in await server.core.storage.list_devices(DeviceQuery(tenant_id=tenant_id, limit=1000)):
        for row in await server.core.storage.device_credentials(device.id):
            opened = unseal_credentials(server.core.keyring, row.sealed, device.public_id.bytes)
            texts.append(opened.to_json())
    return texts


def raw_bytes(data_dir: Path) -> bytes:
    """Return all that lies in a data directory: the database of SQLite, and its journal."""
    return b"".join(path.read_bytes() for path in sorted(data_dir.rglob("*")) if path.is_file())
