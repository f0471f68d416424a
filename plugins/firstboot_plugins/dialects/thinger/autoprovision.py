"""Devices that are made when they connect, as a rule of their account says (contract 12.2)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from firstboot.errors import ProvisioningRefused
from firstboot.model import DeviceProfile, Origin, Tenant
from firstboot.profiles import compile_name_pattern
from firstboot.secret import same_text
from firstboot_plugins.dialects.thinger.body_fields import is_id
from firstboot_plugins.dialects.thinger.device_bodies import MIN_CREDENTIALS_LENGTH
from firstboot_plugins.dialects.thinger.devices import TAKEN
from firstboot_plugins.dialects.thinger.rule_bodies import Credential, Rule

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

DERIVED_LENGTH = 32
"""Characters of a derived password: 192 bits."""


def derived_password(secret: str, device_id: str) -> str:
    """Return the password that a device computes for itself from a rule's secret."""
    digest = hmac.digest(secret.encode(), device_id.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode()[:DERIVED_LENGTH]


class Autoprovision:
    """Makes devices that nobody has made beforehand. The first rule by name that matches an id decides alone:
    a wrong password never gets as far as a rule that is less strict."""

    def __init__(self, thinger: Thinger) -> None:
        self._thinger = thinger
        self._profiles = thinger.rules.profiles
        self._generation = -1
        self._by_account: dict[int, Sequence[tuple[Any, DeviceProfile, Rule]]] = {}
        """Compiled patterns with their rules, in the order of the names."""

    def matching(self, account: Tenant, device_id: str) -> tuple[DeviceProfile, Rule] | None:
        """Return the rule for a device with this id."""
        if self._generation != self._profiles.generation:
            self._by_account.clear()
            self._generation = self._profiles.generation
        rules = self._by_account.get(account.id)
        if rules is None:
            rules = self._by_account[account.id] = [
                (compile_name_pattern(rule.pattern), profile, rule)
                for profile in self._profiles.all(account)
                if (rule := Rule.of(profile)) is not None and rule.enabled
            ]
        return next(((profile, rule) for pattern, profile, rule in rules if pattern.search(device_id)), None)

    async def make(self, account: Tenant, device_id: str, password: str, origin: Origin) -> bool:
        """Make a device that is not there, if a rule is for it and the password fits; say so.

        The device is on disk then. So it is, too, when somebody else has made it a moment ago.

        Raises: `ThingerError` (429), `ProvisioningRefused` when the rule's limits do not allow it, `Unavailable`.
        """
        await self._thinger.services.changes.ensure_fresh()
        found = self.matching(account, device_id) if is_id(device_id) else None
        if found is None or not self._proves(*found, device_id, password):
            return False
        profile, rule = found
        self._thinger.limits.provisioning(f"rule {profile.id} {origin.address}", origin.address)
        templates = self._thinger.templates
        new = templates.device(account, rule.template, device_id, password)
        companions = templates.companions(account, rule.template, device_id)
        try:
            await self._thinger.devices.provision(account, profile, new, origin, companions)
        except ProvisioningRefused as refusal:
            if refusal.code not in TAKEN:
                raise
        return True

    def _proves(self, profile: DeviceProfile, rule: Rule, device_id: str, password: str) -> bool:
        if rule.credential is Credential.FIRST_USE:
            is_text = password.isprintable() and MIN_CREDENTIALS_LENGTH <= len(password) <= 255
            return is_text and self._thinger.config.allow_first_use
        secret = self._thinger.services.profiles.reveal_secret(profile)
        if secret is None:
            return False
        expected = secret.reveal()
        if rule.credential is Credential.DERIVED:
            expected = derived_password(expected, device_id)
        return same_text(expected, password)
