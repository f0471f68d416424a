"""How much each client may still send, also when it goes and comes back at once."""

from __future__ import annotations

from firstboot.sessions import Owner
from firstboot_plugins.transports.mqtt.config import MqttConfig


class Rates:
    """Remembers what clients that have just left may send: coming back brings no new burst (threat MQ-17)."""

    def __init__(self, config: MqttConfig) -> None:
        self._config = config
        self._left: dict[tuple[Owner, str], tuple[float, float]] = {}
        """Packets, and the moment at which it was so many; in the order in which the clients have left."""

    def __len__(self) -> int:
        return len(self._left)

    def refilled(self, packets: float, since: float, now: float) -> float:
        """Return how many packets a client may send now that could send so many then."""
        return min(self._config.burst, packets + max(0.0, now - since) * self._config.messages_per_second)

    def leave(self, owner: Owner, slot: str, packets: float, at: float) -> None:
        self._left.pop((owner, slot), None)
        self._left[owner, slot] = packets, at

    def come_back(self, owner: Owner, slot: str, now: float) -> float:
        """Return how many packets a client may send that has logged in."""
        packets, at = self._left.pop((owner, slot), (self._config.burst, now))
        return self.refilled(packets, at, now)

    def sweep(self, now: float) -> None:
        """Forget those that may send a whole burst again."""
        for key, (packets, at) in list(self._left.items()):
            if self.refilled(packets, at, now) >= self._config.burst:
                del self._left[key]
