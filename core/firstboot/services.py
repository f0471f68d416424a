"""What the parts of a server work with, all in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

from firstboot.api_tokens import ApiTokenService
from firstboot.attributes import AttributeService
from firstboot.certificate_authority import CertificateAuthority
from firstboot.changes import ChangeFollower
from firstboot.claim_windows import ClaimWindows
from firstboot.claiming import Claiming
from firstboot.clock import Clock
from firstboot.config import Address, Config
from firstboot.core import Core
from firstboot.customers import CustomerService
from firstboot.devices import DeviceService
from firstboot.downlink import Downlinks
from firstboot.health import Health
from firstboot.live_events import LiveEvents
from firstboot.login import Authentication
from firstboot.logins import Logins
from firstboot.observing import Observers
from firstboot.ownership import Ownership
from firstboot.plugin_manager import PluginManager
from firstboot.pool_news import PoolNews
from firstboot.pools import PoolService
from firstboot.profile_directory import ProfileDirectory
from firstboot.profiles import ProfileService
from firstboot.provisioning import Provisioning
from firstboot.releasing import Releasing
from firstboot.resources import ResourceService
from firstboot.rpc import RpcExchange
from firstboot.sessions import Sessions
from firstboot.signing_up import SigningUp
from firstboot.storage import Storage
from firstboot.telemetry import TelemetryService
from firstboot.tenants import TenantService
from firstboot.users import UserService

if TYPE_CHECKING:
    from firstboot.tls import Tls

_Shared = TypeVar("_Shared")


@dataclass(frozen=True, slots=True)
class Services:
    """What transports and dialects work with."""

    config: Config
    plugins: PluginManager
    provisioning: Provisioning
    logins: Logins
    sessions: Sessions
    observers: Observers
    clock: Clock
    core: Core
    storage: Storage
    devices: DeviceService
    claim_windows: ClaimWindows
    ownership: Ownership
    claiming: Claiming
    releasing: Releasing
    signing_up: SigningUp
    profiles: ProfileService
    profile_directory: ProfileDirectory
    """The profiles in memory, for what is asked often."""
    attributes: AttributeService
    telemetry: TelemetryService
    downlinks: Downlinks
    rpc: RpcExchange
    live_events: LiveEvents
    tenants: TenantService
    customers: CustomerService
    users: UserService
    authentication: Authentication
    api_tokens: ApiTokenService
    certificates: CertificateAuthority
    resources: ResourceService
    pools: PoolService
    pool_news: PoolNews
    changes: ChangeFollower
    """What other processes, and this one, have changed: for whoever keeps stored things in memory."""
    listeners: Mapping[str, Address]
    """Where the server listens, by listener (``mqtt``, ``http``, ...)."""
    health: Callable[[], Awaitable[Health]]
    tls: Tls | None
    """The certificates for listeners that encrypt; None where there are none, and no such listener."""
    shared: dict[object, object] = field(default_factory=dict)
    """What the parts of a plugin have in common, by its type; see `one`."""

    def one(self, kind: Callable[[Services], _Shared]) -> _Shared:
        """Return the only object of a type that is made from these services, which is made when first asked for.

        So the hooks of a plugin, which are called for each transport, find one object.
        """
        found = self.shared.get(kind)
        if found is None:
            found = self.shared[kind] = kind(self)
        return cast("_Shared", found)
