"""Buckets: what devices of an account send is collected in them (contract section 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firstboot.errors import NotFound
from firstboot.model import Resource, ResourceRow, Tenant
from firstboot_plugins.dialects.thinger.assets import AssetKind, Assets
from firstboot_plugins.dialects.thinger.bucket_documents import read_bucket
from firstboot_plugins.dialects.thinger.errors import ThingerError, not_found

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

BUCKET = AssetKind("bucket", "Bucket", read_bucket)


class Buckets(Assets):
    """The buckets of all accounts."""

    def __init__(self, thinger: Thinger) -> None:
        super().__init__(thinger, BUCKET)
        self.most = thinger.config.max_buckets

    async def existing(self, account: Tenant, bucket_id: str) -> Resource:
        """Return a bucket.

        Raises: `ThingerError` (404).
        """
        try:
            return await self._resources.get(account.id, BUCKET.resource, bucket_id)
        except NotFound:
            raise not_found() from None

    async def write(self, account: Tenant, bucket_id: str, value: Any, at_ms: int) -> None:
        """Add a row to a bucket; it is on disk when this returns. One that is off takes nothing.

        Raises: `ThingerError` (404), `InvalidValue`, `Unavailable`.
        """
        await self.collect(await self.existing(account, bucket_id), value, at_ms)

    async def collect(self, bucket: Resource, value: Any, at_ms: int) -> bool:
        """Add a row to a bucket; it is on disk when this returns. False: the bucket is off.

        Raises: `InvalidValue`, `NotFound`, `Unavailable`.
        """
        if not is_on(bucket):
            return False
        await self._resources.append(bucket, [ResourceRow(at_ms, value)])
        return True


def is_on(bucket: Resource) -> bool:
    """Say whether a bucket collects anything at all."""
    return bool(bucket.document.get("enabled", True))


def bucket_limit() -> ThingerError:
    """Return the answer to whoever wants more buckets than an account may have."""
    return ThingerError(400, "bucket limit reached")
