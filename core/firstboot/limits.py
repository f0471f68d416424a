"""What a profile's limits allow: bounds to the harm that a leaked provision key can do (threat PV-3)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from firstboot.clock import Clock
from firstboot.errors import ProvisioningRefused
from firstboot.model import DeviceProfile, Network, Origin
from firstboot.profiles import compile_name_pattern
from firstboot.throttle import TokenBucket


class Limits:
    """Judges requests whose profile is proven. How many devices there may be is for the storage to know."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rates: dict[int, TokenBucket] = {}

    def check(self, profile: DeviceProfile, origin: Origin) -> None:
        """Check all that depends neither on the device nor on what others ask for.

        Raises: `ProvisioningRefused` (``profile-disabled``, ``profile-expired``, ``network-not-allowed``).
        """
        limits = profile.limits
        if not profile.enabled:
            raise ProvisioningRefused(f"Profile {profile.name!r} is switched off.", code="profile-disabled")
        if limits.expires_at_ms is not None and self._clock.now_ms() > limits.expires_at_ms:
            raise ProvisioningRefused(f"Profile {profile.name!r} has expired.", code="profile-expired")
        if limits.allowed_networks and not _is_inside(origin.address, limits.allowed_networks):
            raise ProvisioningRefused(
                f"Profile {profile.name!r} is not for devices at {origin.address}.", code="network-not-allowed"
            )

    def check_name(self, profile: DeviceProfile, name: str) -> None:
        """Check a device name against the profile's pattern.

        Raises: `ProvisioningRefused` (``name-not-allowed``).
        """
        pattern = profile.limits.name_pattern
        if pattern is not None and not compile_name_pattern(pattern).fullmatch(name):
            raise ProvisioningRefused(
                f"{name!r} does not match the name pattern of profile {profile.name!r}.", code="name-not-allowed"
            )

    @contextmanager
    def counting(self, profile: DeviceProfile) -> Iterator[None]:
        """Count a new device of the profile, unless the block that is to make it raises.

        Raises: `ProvisioningRefused` (``rate-limit``).
        """
        bucket = self._rate(profile)
        if bucket is not None and not bucket.take():
            raise ProvisioningRefused(
                f"Profile {profile.name!r} provisions at most {bucket.per_minute} devices a minute.",
                code="rate-limit",
            )
        try:
            yield
        except BaseException:
            if bucket is not None:
                bucket.put_back()
            raise

    def _rate(self, profile: DeviceProfile) -> TokenBucket | None:
        per_minute = profile.limits.max_per_minute
        if per_minute is None:
            return None
        bucket = self._rates.get(profile.id)
        if bucket is None or bucket.per_minute != per_minute:
            bucket = self._rates[profile.id] = TokenBucket(per_minute, self._clock.monotonic)
        return bucket


@lru_cache(maxsize=4096)
def _is_inside(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return any(ip in network for network in networks)
