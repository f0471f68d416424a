"""Rules of an account, as its owner makes and changes them (contract 12.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firstboot.model import DeviceProfile
from firstboot.profiles import plain_profile, random_secret
from firstboot.secret import Secret
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.body_fields import BodyFields
from firstboot_plugins.dialects.thinger.dialect_profiles import DialectProfiles
from firstboot_plugins.dialects.thinger.errors import ThingerError, not_found
from firstboot_plugins.dialects.thinger.list_query import ListQuery
from firstboot_plugins.dialects.thinger.rule_bodies import RULE, Credential, Rule, read_rule

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

TITLE = "Autoprovision"
"""Type of rules in permissions."""


class Rules:
    """Each is a device profile, and so has limits, events and an audit trail as every profile."""

    def __init__(self, thinger: Thinger) -> None:
        self._services = thinger.services
        self._config = thinger.config
        self._templates = thinger.templates
        self.profiles = DialectProfiles(thinger.services, RULE)

    async def list(self, asker: Asker, query: ListQuery) -> Sequence[dict[str, Any]]:
        """Show those that the asker may list."""
        return [_shown(each) for each in self.profiles.allowed(asker, query, TITLE, "ListAutoprovisions")]

    async def get(self, asker: Asker, name: str) -> dict[str, Any]:
        """Show one.

        Raises: `ThingerError` (403, 404).
        """
        asker.check(TITLE, name, "ReadAutoprovisionConfig")
        return _shown(self.profiles.get(asker.account, name))

    async def create(self, asker: Asker, body: object) -> dict[str, Any]:
        """Make a rule; the answer alone has its secret.

        Raises: `ThingerError` (400, 403), `AlreadyExists`, `InvalidValue`, `Unavailable`.
        """
        fields = BodyFields(body)
        name = fields.needed_id(RULE)
        asker.check(TITLE, name, "CreateAutoprovision")
        rule = read_rule(fields, None)
        fields.end()
        rule = self._checked(asker, rule)
        secret = random_secret() if _needs_secret(rule) else None
        draft = replace(plain_profile(asker.account.id, name), strategy="allow-create-new")
        made = await self.profiles.create(rule.applied(draft), secret=secret, actor=asker.actor)
        return _shown(made, secret)

    async def update(self, asker: Asker, name: str, body: object) -> dict[str, Any]:
        """Change a rule; devices that it has made stay as they are. With ``new_secret`` it gets another secret.

        Raises: `ThingerError` (400, 403, 404), `InvalidValue`, `Unavailable`.
        """
        asker.check(TITLE, name, "UpdateAutoprovision")
        drawn: Secret | None = None

        def changed(profile: DeviceProfile) -> DeviceProfile:
            nonlocal drawn
            fields = BodyFields(body)
            if fields.take(RULE, name) != name:
                raise ThingerError(400, "the body names another rule than the path")
            is_new = fields.flag("new_secret") or False
            rule = read_rule(fields, Rule.of(profile))
            fields.end()
            after = self._checked(asker, rule).applied(profile)
            drawn = None
            if _needs_secret(rule) and (is_new or profile.secret_sealed is None):
                drawn = random_secret()
                after = self._services.profiles.with_secret(after, drawn)
            return after

        return _shown(await self.profiles.change(asker.account, name, changed, actor=asker.actor), drawn)

    async def delete(self, asker: Asker, name: str) -> dict[str, Any]:
        """Delete a rule; the devices that it has made stay.

        Raises: `ThingerError` (403, 404), `Unavailable`.
        """
        asker.check(TITLE, name, "DeleteAutoprovision")
        profile = self.profiles.get(asker.account, name)
        await self.profiles.delete(profile, asker.account, actor=asker.actor)
        return {}

    def _checked(self, asker: Asker, rule: Rule) -> Rule:
        if rule.credential is Credential.FIRST_USE:
            if not self._config.allow_first_use:
                raise ThingerError(400, "first_use is not allowed on this server")
            if rule.max_devices is None:
                raise ThingerError(400, "missing field: max_devices")
        return replace(rule, template=self._templates.check(asker, rule.template))


def _needs_secret(rule: Rule) -> bool:
    return rule.credential is not Credential.FIRST_USE


def _shown(profile: DeviceProfile, secret: Secret | None = None) -> dict[str, Any]:
    rule = Rule.of(profile)
    if rule is None:
        raise not_found()
    return {**rule.to_json(profile), **({} if secret is None else {"secret": secret.reveal()})}
