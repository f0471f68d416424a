"""Asset types, groups and products: names that devices are sorted by (contract sections 7, 10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firstboot.errors import AlreadyExists
from firstboot.model import Resource, ResourceDraft, Tenant
from firstboot.resource_mirror import ResourceMirror
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.body_fields import BodyFields
from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.dialects.thinger.list_query import ListQuery

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AssetKind:
    """One kind of asset, and what its bodies may have."""

    id: str
    """What the API calls one, such as ``type``."""
    title: str
    """In permissions and actions, such as ``Type``."""
    read: Callable[[BodyFields, Mapping[str, Any] | None], Document]
    """Reads what is kept of a body, in place of what was kept (None: it is new)."""

    @property
    def resource(self) -> str:
        """Kind of the resources that keep it."""
        return f"thinger-{self.id}"


class Documents:
    """The documents of one kind, of all accounts, read when they are asked for."""

    def __init__(self, thinger: Thinger, kind: AssetKind) -> None:
        self.kind = kind
        self._resources = thinger.services.resources
        self._catch_up = thinger.services.changes.catch_up

    async def list(self, asker: Asker, query: ListQuery) -> Sequence[Document]:
        """Return those that the asker may list, in the order of their ids."""
        action = f"List{self.kind.title}s"
        asker.check_some(self.kind.title, action)
        rows = [
            self._json(each)
            for each in sorted(await self._of(asker.account), key=lambda resource: resource.name)
            if asker.may(self.kind.title, each.name, action)
            and query.takes(each.name, each.document.get("name", ""))
        ]
        return rows[query.index : query.index + query.count]

    async def _of(self, account: Tenant) -> Sequence[Resource]:
        return await self._resources.list(account.id, self.kind.resource)

    def check_room(self, account: Tenant) -> None:
        """Refuse one more than an account may have.

        Raises: `ThingerError` (400).
        """

    async def create(self, asker: Asker, body: object) -> Document:
        """Make one.

        Raises: `ThingerError`.
        """
        fields = BodyFields(body)
        id_ = fields.needed_id(self.kind.id)
        asker.check(self.kind.title, id_, f"Create{self.kind.title}")
        self.check_room(asker.account)
        document = self.kind.read(fields, None)
        fields.end()
        draft = ResourceDraft(kind=self.kind.resource, name=id_, document=document)
        try:
            made = await self._resources.create(asker.account.id, draft, actor=asker.actor)
        except AlreadyExists:
            raise ThingerError(400, f"{self.kind.id} '{id_}' already exists") from None
        await self._catch_up()  # a device that is made next already belongs to it
        return self._json(made)

    async def get(self, asker: Asker, id_: str) -> Document:
        """Return one.

        Raises: `ThingerError`, `NotFound`.
        """
        asker.check(self.kind.title, id_, f"Read{self.kind.title}Config", f"List{self.kind.title}s")
        return self._json(await self._resources.get(asker.account.id, self.kind.resource, id_))

    async def update(self, asker: Asker, id_: str, body: object) -> Document:
        """Change one.

        Raises: `ThingerError`, `NotFound`, `VersionConflict`.
        """
        asker.check(self.kind.title, id_, f"Update{self.kind.title}")
        fields = BodyFields(body)
        if fields.take(self.kind.id, id_) != id_:
            raise ThingerError(400, f"the body names another {self.kind.id} than the path")
        found = await self._resources.get(asker.account.id, self.kind.resource, id_)
        document = self.kind.read(fields, found.document)
        fields.end()
        changed = await self._resources.update(found, document, actor=asker.actor, expected_version=found.version)
        await self._catch_up()
        return self._json(changed)

    async def delete(self, asker: Asker, id_: str) -> Document:
        """Delete one; devices that name it go on doing so.

        Raises: `ThingerError`, `NotFound`.
        """
        asker.check(self.kind.title, id_, f"Delete{self.kind.title}")
        found = await self._resources.get(asker.account.id, self.kind.resource, id_)
        await self._resources.delete(found, actor=asker.actor)
        await self._catch_up()
        return {}

    def _json(self, resource: Resource) -> Document:
        return {
            self.kind.id: resource.name,
            "name": "",
            "description": "",
            **resource.document,
            "created": resource.created_at_ms,
            "modified": resource.updated_at_ms,
        }


class Assets(Documents):
    """The same, kept in memory beside: for those that are looked at whenever a device is made."""

    def __init__(self, thinger: Thinger, kind: AssetKind) -> None:
        super().__init__(thinger, kind)
        self.mirror = ResourceMirror(kind.resource, thinger.services.storage, thinger.services.changes)
        thinger.load_first(self.mirror.load)
        self.most = thinger.config.max_assets
        self._counts: Counter[int] = Counter()
        """How many each account has, by the account's id."""
        self.mirror.on_change(self._count)

    def room(self, account: Tenant) -> int:
        """Return how many more an account may have. Those that are made at this moment may not be counted yet."""
        return max(0, self.most - self._counts[account.id])

    def check_room(self, account: Tenant) -> None:
        """See `Documents.check_room`."""
        if not self.room(account):
            raise ThingerError(400, f"{self.kind.id} limit reached")

    def _count(self, before: Resource | None, after: Resource | None) -> None:
        if before is None and after is not None:
            self._counts[after.tenant_id] += 1
        elif before is not None and after is None:
            self._counts[before.tenant_id] -= 1

    def missing(self, account: Tenant, id_: str) -> Sequence[ResourceDraft]:
        """Return what makes an asset that a device names, if it is not there and there is room for it."""
        if not id_ or self.mirror.find(account.id, id_) is not None or not self.room(account):
            return []
        return [ResourceDraft(kind=self.kind.resource, name=id_, document={})]


def named(fields: BodyFields, before: Mapping[str, Any] | None) -> Document:
    """Read name and description."""
    sent = {"name": fields.text("name"), "description": fields.text("description")}
    return {**(before or {}), **{key: value for key, value in sent.items() if value is not None}}


def _group(fields: BodyFields, before: Mapping[str, Any] | None) -> Document:
    document = named(fields, before)
    if before is None and (parent := fields.id("parent", empty=True)):
        document["parent"] = parent
    return document


TYPE = AssetKind("type", "Type", named)
GROUP = AssetKind("group", "Group", _group)
