"""Rules by which devices are made when they connect: as they are sent, kept and shown (contract 12.2)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from firstboot.errors import InvalidValue
from firstboot.model import DeviceProfile
from firstboot.profiles import MAX_BOUND, compile_name_pattern
from firstboot_plugins.dialects.thinger.body_fields import BodyFields
from firstboot_plugins.dialects.thinger.dialect_profiles import kept_in, with_kept
from firstboot_plugins.dialects.thinger.errors import ThingerError

RULE = "rule"
"""What a rule is called in paths and bodies, and in what is kept with its profile."""
MAX_PATTERN_LENGTH = 512
_LAST_MS = 2**53
_NONE: Mapping[str, Any] = {}


class Credential(enum.StrEnum):
    """How a device shows that a rule is for it."""

    DERIVED = "derived"
    """Its password is computed from the rule's secret and its own id."""
    SHARED = "shared"
    """Its password is the rule's secret."""
    FIRST_USE = "first_use"
    """Any password will do, and is the device's own from then on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a rule says."""

    pattern: str
    """Regular expression, looked for anywhere in a device's id."""
    credential: Credential
    template: Mapping[str, Any]
    enabled: bool = True
    max_devices: int | None = None
    expires_at_ms: int | None = None

    @classmethod
    def of(cls, profile: DeviceProfile) -> Rule | None:
        """Return the rule that a profile is, None when it is none."""
        kept = kept_in(profile, RULE)
        if kept is None:
            return None
        return cls(
            pattern=kept["pattern"],
            credential=Credential(kept["credential"]),
            template=kept["template"],
            enabled=profile.enabled,
            max_devices=profile.limits.max_devices,
            expires_at_ms=profile.limits.expires_at_ms,
        )

    def applied(self, profile: DeviceProfile) -> DeviceProfile:
        """Return the profile with this rule."""
        kept = {"pattern": self.pattern, "credential": self.credential.value, "template": dict(self.template)}
        limits = replace(profile.limits, max_devices=self.max_devices, expires_at_ms=self.expires_at_ms)
        return replace(with_kept(profile, RULE, kept), enabled=self.enabled, limits=limits)

    def to_json(self, profile: DeviceProfile) -> dict[str, Any]:
        """Return the answer that shows the rule; its secret is never in it."""
        bounds = {"max_devices": self.max_devices, "expires": self.expires_at_ms}
        return {
            RULE: profile.name,
            "enabled": self.enabled,
            "config": {"mode": "pattern", "pattern": self.pattern},
            "credential": self.credential.value,
            "template": dict(self.template),
            **{name: bound for name, bound in bounds.items() if bound is not None},
            "created": profile.created_at_ms,
        }


def read_rule(fields: BodyFields, before: Rule | None) -> Rule:
    """Read a rule, or the members of one that are to change. Its template is not checked.

    Raises: `ThingerError` (400).
    """
    enabled = fields.flag("enabled")
    old = before or Rule(pattern="", credential=Credential.DERIVED, template=_NONE)
    credential = fields.text("credential")
    if credential is not None and credential not in set(Credential):
        raise ThingerError(400, "invalid field: credential")
    return Rule(
        pattern=_pattern(fields, before),
        credential=old.credential if credential is None else Credential(credential),
        template=fields.take("template") if fields.has("template") else old.template,
        enabled=old.enabled if enabled is None else enabled,
        max_devices=_bound(fields, "max_devices", old.max_devices, MAX_BOUND),
        expires_at_ms=_bound(fields, "expires", old.expires_at_ms, _LAST_MS),
    )


def _pattern(fields: BodyFields, before: Rule | None) -> str:
    if not fields.has("config"):
        if before is None:
            raise ThingerError(400, "missing field: config")
        return before.pattern
    config = BodyFields(fields.take("config"))
    mode, pattern = config.text("mode"), config.text("pattern", least=1, most=MAX_PATTERN_LENGTH)
    config.end()
    if mode not in (None, "pattern") or pattern is None:
        raise ThingerError(400, "invalid field: config")
    try:
        compile_name_pattern(pattern)
    except InvalidValue as error:
        raise ThingerError(400, "invalid pattern: not a regular expression of RE2") from error
    return pattern


def _bound(fields: BodyFields, name: str, before: int | None, most: int) -> int | None:
    """Return a number from 1; null takes the bound away."""
    if not fields.has(name):
        return before
    value = fields.take(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most):
        raise ThingerError(400, f"invalid field: {name}")
    return value
