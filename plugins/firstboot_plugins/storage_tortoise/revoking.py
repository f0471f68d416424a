"""Certificates are revoked with the credentials or the device that they belong to."""

from __future__ import annotations

from collections.abc import Sequence

from firstboot.storage import RevokedCertificate
from firstboot_plugins.storage_tortoise.statements import Algorithm, Many, ManySql, Run

_REVOKE_COLUMNS = (
    ("serial", "text"), ("tenant_id", "bigint"), ("device_public_id", "bytea"), ("expires_at_ms", "bigint"),
    ("revoked_at_ms", "bigint"),
)  # fmt: skip
_REVOKE = ManySql(
    f"INSERT INTO revoked_certificate ({', '.join(name for name, _ in _REVOKE_COLUMNS)})"  # noqa: S608
    " SELECT * FROM v WHERE true ON CONFLICT DO NOTHING",
    _REVOKE_COLUMNS,
)
_FORGET_REVOKED = "DELETE FROM revoked_certificate WHERE expires_at_ms < ?"
_KEEP_REVOKED_MS = 7 * 86_400_000
"""A list of revoked certificates has to name each once more after its end (RFC 5280, 3.3)."""


def revoke(certificates: Sequence[RevokedCertificate]) -> Algorithm[None]:
    """Put certificates onto the list, and take those from it that have ended long ago."""
    for at_ms in {each.revoked_at_ms for each in certificates}:
        yield Run(_FORGET_REVOKED, (at_ms - _KEEP_REVOKED_MS,))
    rows = [
        (each.serial, each.tenant_id, each.device_public_id.bytes, each.expires_at_ms, each.revoked_at_ms)
        for each in certificates
    ]
    yield Many(_REVOKE, rows)
