"""Buckets and dashboards that are made together with a device (contract 12.5)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from firstboot.errors import AlreadyExists, InvalidValue, Unavailable
from firstboot.model import ResourceDraft, Tenant
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.assets import AssetKind
from firstboot_plugins.dialects.thinger.body_fields import MAX_TEXT_LENGTH, BodyFields, checked_id
from firstboot_plugins.dialects.thinger.bucket_documents import MQTT, WRITE
from firstboot_plugins.dialects.thinger.buckets import BUCKET, bucket_limit
from firstboot_plugins.dialects.thinger.dashboards import DASHBOARD
from firstboot_plugins.dialects.thinger.errors import ThingerError, as_thinger_error
from firstboot_plugins.dialects.thinger.placeholders import Texts, filled, filled_id, filled_topic

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

logger = logging.getLogger(__name__)

MAX_COMPANIONS = 20
"""Of each kind, beside one device."""
_KINDS = {kind.resource: kind for kind in (BUCKET, DASHBOARD)}


class Companions:
    """Plans and makes what stands beside devices."""

    def __init__(self, thinger: Thinger) -> None:
        self._buckets = thinger.buckets
        self._services = thinger.services

    def plan(self, account_name: str, template: Mapping[str, Any]) -> list[ResourceDraft]:
        """Return what ``buckets`` and ``dashboards`` of a device's body want.

        ``template`` has ``device``, ``type`` and ``name`` beside.

        Raises: `ThingerError` (400).
        """
        texts = {"device": template["device"], "user": account_name, "name": template["name"]}
        return [
            *(_bucket(each, template, texts) for each in _list(template, "buckets")),
            *(_dashboard(each, texts) for each in _list(template, "dashboards")),
        ]

    def inherited(
        self, account_name: str, template: Mapping[str, Any], buckets: Mapping[str, Mapping[str, Any]]
    ) -> list[ResourceDraft]:
        """Return the buckets that a product gives to a device, by the second half of their ids.

        What they do not say is as with a bucket of which only the name is given; so is where their data comes
        from, unless that is a topic: other sources of thinger.io's products are programs that run there.

        Raises: `ThingerError` (400).
        """
        texts = {"device": template["device"], "user": account_name, "name": template["name"]}
        return [product_bucket(id_, wanted, template, texts) for id_, wanted in buckets.items()]

    def fit(self, account: Tenant, drafts: Sequence[ResourceDraft]) -> list[bool]:
        """Say of each whether it is within what the account may have."""
        room, new, fit = self._buckets.room(account), set[str](), []
        for draft in drafts:
            if draft.kind == BUCKET.resource and self._buckets.mirror.find(account.id, draft.name) is None:
                new.add(draft.name)
            fit.append(draft.name not in new or len(new) <= room)
        return fit

    def fitting(self, account: Tenant, drafts: Sequence[ResourceDraft]) -> list[ResourceDraft]:
        """Return those that are within what the account may have: no device has to do without the others."""
        fit = self.fit(account, drafts)
        if not all(fit):
            logger.warning("an account has no room for more buckets", extra={"account": account.name})
        return [draft for draft, fits in zip(drafts, fit, strict=True) if fits]

    async def make(self, asker: Asker, drafts: Sequence[ResourceDraft]) -> list[dict[str, Any]]:
        """Make each that may be made, and say of each what became of it.

        Raises: `Unavailable`.
        """
        fit = self.fit(asker.account, drafts)
        made = await asyncio.gather(
            *(self._make(asker, draft, fits) for draft, fits in zip(drafts, fit, strict=True))
        )
        await self.known()
        return made

    async def known(self) -> None:
        """Wait until this server knows what was made: the device's first message is already for it."""
        with suppress(Unavailable):  # it is made, and will be known when the database is back
            await self._services.changes.catch_up()

    async def _make(self, asker: Asker, draft: ResourceDraft, fits: bool) -> dict[str, Any]:
        kind = _KINDS[draft.kind]
        told: dict[str, Any] = {kind.id: draft.name}
        try:
            asker.check(kind.title, draft.name, f"Create{kind.title}")
            if not fits:
                raise bucket_limit()
            await self._services.resources.create(asker.account.id, draft, actor=asker.actor)
        except AlreadyExists:
            return {**told, "status": 200, "result": "exists"}
        except (ThingerError, InvalidValue) as error:
            refusal = as_thinger_error(error)
            return {**told, "status": refusal.status, "message": refusal.message}
        return {**told, "status": 200, "result": "created"}


def companion_id(device: str, name: str) -> str:
    """Return the id of a device's bucket of which only the name is given.

    Raises: `ThingerError` (400) for a name that is too long.
    """
    return checked_id(filled_id(f"{{device}}_{name}", {"device": device}), "bucket")


def product_bucket(
    id_: str, wanted: Mapping[str, Any], template: Mapping[str, Any], texts: Texts
) -> ResourceDraft:
    """Return the bucket that a product gives to a device.

    Raises: `ThingerError` (400).
    """
    body = _plain(checked_id(id_, "bucket"), template)
    body |= {name: wanted[name] for name in ("backend", "retention") if name in wanted}
    config, data = body["config"], wanted.get("data")
    if isinstance(data, dict) and data.get("source") == MQTT and "topic" in data:
        config = {"source": MQTT, "topic": filled_topic(data["topic"], texts)}
    body["config"] = config | ({"tags": wanted["tags"]} if "tags" in wanted else {})
    return _draft(BUCKET, body)


def _list(template: Mapping[str, Any], name: str) -> list[Any]:
    found = template.get(name, [])
    if not isinstance(found, list) or len(found) > MAX_COMPANIONS:
        raise ThingerError(400, f"invalid field: {name}")
    return found


def _bucket(wanted: Any, template: Mapping[str, Any], texts: Texts) -> ResourceDraft:
    if isinstance(wanted, str):
        return _draft(BUCKET, _plain(checked_id(wanted, "bucket"), template))
    if not isinstance(wanted, dict):
        raise ThingerError(400, "invalid field: buckets")
    body = wanted | {name: filled(wanted[name], texts) for name in ("name", "description") if name in wanted}
    config = body.get("config")
    if isinstance(config, dict):
        fill = {"topic": filled_topic, "device": filled}
        body["config"] = config | {name: fill[name](config[name], texts) for name in fill if name in config}
    return _draft(BUCKET, body | {"bucket": filled_id(wanted.get("bucket"), texts)})


def _plain(name: str, template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the create body of a bucket of which only the name is given."""
    device = template["device"]
    takes_mqtt = template["type"] != "Generic"
    config = {"source": MQTT, "topic": f"{device}/{name}"} if takes_mqtt else {"source": WRITE}
    title = f"{template['name']} {name}"[:MAX_TEXT_LENGTH]
    return {"bucket": companion_id(device, name), "name": title, "enabled": True, "config": config}


def _dashboard(wanted: Any, texts: Texts) -> ResourceDraft:
    if not isinstance(wanted, dict):
        raise ThingerError(400, "invalid field: dashboards")
    return _draft(DASHBOARD, filled(wanted, texts) | {"dashboard": filled_id(wanted.get("dashboard"), texts)})


def _draft(kind: AssetKind, body: Mapping[str, Any]) -> ResourceDraft:
    fields = BodyFields(body)
    id_ = checked_id(fields.take(kind.id), kind.id)
    document = kind.read(fields, None)
    fields.end()
    return ResourceDraft(kind=kind.resource, name=id_, document=document)
