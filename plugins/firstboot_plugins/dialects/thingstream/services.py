"""The parts of this dialect that HTTP, MQTT and operators share, one of each for a server."""

from __future__ import annotations

from firstboot.app import Services
from firstboot_plugins.dialects.thingstream.config import ThingstreamConfig
from firstboot_plugins.dialects.thingstream.endings import Endings
from firstboot_plugins.dialects.thingstream.key_stock import KeyStock
from firstboot_plugins.dialects.thingstream.plans import Plan
from firstboot_plugins.dialects.thingstream.profiles import ThingstreamProfiles
from firstboot_plugins.dialects.thingstream.renewal import Renewal
from firstboot_plugins.dialects.thingstream.retrieval import Retrieval
from firstboot_plugins.dialects.thingstream.settings import DeviceType, Format, settings_of
from firstboot_plugins.dialects.thingstream.things import Things
from firstboot_plugins.dialects.thingstream.tokens import TokenIndex
from firstboot_plugins.dialects.thingstream.uses import Uses


class Thingstream:
    """Everything that is made once for a server."""

    def __init__(self, services: Services) -> None:
        self.config = services.config.section(ThingstreamConfig)
        self.profiles = ThingstreamProfiles(services.core)
        self.things = Things(services.core)
        self.tokens = TokenIndex(services.profile_directory, services.core.keyring, services.clock)
        self.uses = Uses(services.core)
        self.endings = Endings(services.core, self.things, services.changes)
        self.renewal = Renewal(services)
        self.retrieval = Retrieval(services)
        self.key_stock = KeyStock(self.config.key_stock)
        self._profiles = services.profile_directory

    async def stock_keys(self) -> None:
        """Make keys for devices, once there is a profile whose devices need them."""
        every = [settings for settings in map(settings_of, self._profiles.all()) if settings is not None]
        if (DeviceType.POINTPERFECT, Format.SPARTN) in [(each.device_type, each.format) for each in every]:
            await self.key_stock.fill()

    def plan(self, name: str) -> Plan:
        """Return what the configuration says of a plan."""
        return self.config.plans.get(name) or Plan()

    @classmethod
    def of(cls, services: Services) -> Thingstream:
        """Return the one of a server."""
        return services.one(cls)
