"""The parts of this dialect that HTTP, MQTT and operators share, one of each for a server."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from firstboot.app import Services
from firstboot.provisioning import Provisioning
from firstboot_plugins.dialects.thingstream.config import ThingstreamConfig
from firstboot_plugins.dialects.thingstream.endings import Endings
from firstboot_plugins.dialects.thingstream.profiles import ThingstreamProfiles
from firstboot_plugins.dialects.thingstream.renewal import Renewal
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

    @classmethod
    def of(cls, services: Services) -> Thingstream:
        """Return the one of a server."""
        # Whatever is there once for each server would do as its name.
        one = _OF_SERVERS.get(services.provisioning)
        if one is None:
            one = _OF_SERVERS[services.provisioning] = cls(services)
        return one


_OF_SERVERS: WeakKeyDictionary[Provisioning, Thingstream] = WeakKeyDictionary()
