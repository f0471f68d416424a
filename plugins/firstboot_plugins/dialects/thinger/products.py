"""Products: what all devices of one model have in common (contract section 10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from firstboot.errors import InvalidValue
from firstboot.model import Resource, Tenant
from firstboot.profiles import compile_name_pattern
from firstboot_plugins.dialects.thinger.assets import AssetKind, Assets, Document, named
from firstboot_plugins.dialects.thinger.body_fields import BodyFields
from firstboot_plugins.dialects.thinger.companions import product_bucket
from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.dialects.thinger.placeholders import MAX_ID_LENGTH

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

MAX_PATTERN_LENGTH = 512
_SAMPLE = {"device": "x" * MAX_ID_LENGTH, "user": "", "name": "", "type": "MQTT"}
"""The device for which it is hardest to make buckets."""


class Products(Assets):
    """The products of all accounts, and which devices are of which."""

    def __init__(self, thinger: Thinger) -> None:
        super().__init__(thinger, PRODUCT)
        self._patterns: dict[int, Sequence[tuple[str, Any]]] = {}
        """Id of the product and compiled pattern, in the order of the ids, by account."""
        self.mirror.on_change(self._forget)

    def matching(self, account: Tenant, device_id: str) -> str:
        """Return the first product with a pattern that is found in the id of a device; empty: none."""
        patterns = self._patterns.get(account.id)
        if patterns is None:
            own = self.mirror.of_tenant(account.id)
            patterns = self._patterns[account.id] = [each for product in own for each in _patterns(product)]
        return next((product for product, pattern in patterns if pattern.search(device_id)), "")

    def profile(self, account: Tenant, product: str) -> Mapping[str, Any]:
        """Return what a product's devices have in common; nothing of one that is off or not there."""
        found = self.mirror.find(account.id, product)
        if found is None or not found.document.get("enabled", True):
            return {}
        profile: Mapping[str, Any] = found.document.get("profile", {})
        return profile

    def buckets(self, account: Tenant, product: str) -> Mapping[str, Mapping[str, Any]]:
        """Return what each of a product's devices is to have as buckets, by the second half of their ids."""
        buckets = self.profile(account, product).get("buckets", {})
        return {id_: bucket for id_, bucket in buckets.items() if bucket.get("enabled", True)}

    def properties(self, account: Tenant, product: str) -> Mapping[str, Any]:
        """Return the values of the properties that a product's devices have if they have none of their own."""
        properties = self.profile(account, product).get("properties", {})
        return {
            name: each["value"] if isinstance(each, Mapping) and "value" in each else each
            for name, each in properties.items()
        }

    def _forget(self, before: Resource | None, after: Resource | None) -> None:
        for product in (before, after):
            if product is not None:
                self._patterns.pop(product.tenant_id, None)


def _patterns(product: Resource) -> Iterator[tuple[str, Any]]:
    if not product.document.get("enabled", True):
        return
    for rule in product.document.get("profile", {}).get("autoprovisions", {}).values():
        if rule.get("enabled", True):
            yield product.name, compile_name_pattern(rule["config"]["pattern"])


def _read(fields: BodyFields, before: Mapping[str, Any] | None) -> Document:
    document = named(fields, before)
    enabled = fields.flag("enabled")
    if enabled is not None:
        document["enabled"] = enabled
    profile = fields.take("profile")
    if profile is not None:
        document["profile"] = _checked(profile)
    return document


def _checked(profile: Any) -> Mapping[str, Any]:
    """Check what the server acts on; the rest of a profile is kept as it is."""
    for member in ("autoprovisions", "buckets", "properties"):
        if not isinstance(_member(profile, member, {}), Mapping):
            raise ThingerError(400, f"invalid field: profile.{member}")
    for rule in profile.get("autoprovisions", {}).values():
        _check_rule(rule)
    for id_, bucket in profile.get("buckets", {}).items():
        _check_bucket(id_, bucket)
    return profile  # type: ignore[no-any-return]  # it was looked at


def _check_rule(rule: Any) -> None:
    config = _member(rule, "config", None)
    if _member(config, "mode", "pattern") != "pattern" or not isinstance(_member(rule, "enabled", True), bool):
        raise ThingerError(400, "invalid field: profile.autoprovisions")
    pattern = _member(config, "pattern", None)
    if not isinstance(pattern, str) or not 0 < len(pattern) <= MAX_PATTERN_LENGTH:
        raise ThingerError(400, "invalid field: profile.autoprovisions")
    try:
        compile_name_pattern(pattern)
    except InvalidValue as error:
        raise ThingerError(400, "invalid pattern: not a regular expression of RE2") from error


def _check_bucket(id_: str, bucket: Any) -> None:
    """Refuse what no device could have a bucket by."""
    if not isinstance(_member(bucket, "enabled", True), bool):
        raise ThingerError(400, "invalid field: enabled")
    product_bucket(id_, bucket, _SAMPLE, _SAMPLE)


def _member(value: Any, name: str, default: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ThingerError(400, "invalid field: profile")
    return value.get(name, default)


PRODUCT = AssetKind("product", "Product", _read)
