"""Device profiles in memory, for proving and for whatever is asked often."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping

from firstboot.clock import Clock
from firstboot.errors import ProfileNotProven
from firstboot.keyring import Keyring
from firstboot.model import DeviceProfile
from firstboot.secret import Secret
from firstboot.storage import Storage

_NO_DIGEST = b"\0" * 16


def secret_digest(keyring: Keyring, secret: Secret) -> bytes:
    """Return the digest by which a provision secret is compared."""
    return keyring.digest("provision-secret", secret.reveal())


class ProfileDirectory:
    """All profiles in memory. Proving a key and secret takes the same steps whether or not the key exists."""

    def __init__(self, storage: Storage, keyring: Keyring, clock: Clock) -> None:
        self._storage = storage
        self._keyring = keyring
        self._clock = clock
        self._by_key: Mapping[str, DeviceProfile] = {}
        self._by_id: Mapping[int, DeviceProfile] = {}
        self._reading = asyncio.Lock()
        self.generation = 0
        """Another number after each `reload`, for whoever keeps something that is made of the profiles."""

    async def reload(self) -> None:
        """Read all profiles again."""
        async with self._reading:  # or what was read first might come last, and stay
            profiles = await self._storage.all_profiles()
            self._by_id = {profile.id: profile for profile in profiles}
            self._by_key = {profile.provision_key: profile for profile in profiles if profile.provision_key}
            self.generation += 1

    def all(self) -> list[DeviceProfile]:
        return list(self._by_id.values())

    def get(self, profile_id: int) -> DeviceProfile | None:
        return self._by_id.get(profile_id)

    def find(self, key: str) -> DeviceProfile | None:
        return self._by_key.get(key)

    def prove(self, key: str, secret: Secret) -> DeviceProfile:
        """Return the profile that this key and secret prove.

        Raises: `ProfileNotProven`; its code tells an unknown key from a wrong secret, for operators only.
        """
        profile = self._by_key.get(key)
        presented = secret_digest(self._keyring, secret)
        current = previous = _NO_DIGEST
        if profile is not None:
            current = profile.secret_digest or _NO_DIGEST
            if profile.previous_secret_digest and (profile.previous_secret_until_ms or 0) >= self._clock.now_ms():
                previous = profile.previous_secret_digest
        is_current = hmac.compare_digest(presented, current)
        is_previous = hmac.compare_digest(presented, previous)
        if profile is None:
            reason = "No device profile has this provision key, or this certificate."
            raise ProfileNotProven(reason, code="unknown-key")
        if not (is_current or is_previous):
            raise ProfileNotProven(f"The provision secret is not that of profile {profile.name!r}.")
        return profile
