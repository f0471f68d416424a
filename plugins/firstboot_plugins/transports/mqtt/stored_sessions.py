"""Sessions whose clients are absent: their subscriptions stay, and messages wait for them, within bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from firstboot.sessions import Owner
from firstboot_plugins.transports.mqtt.client_session import ClientSession
from firstboot_plugins.transports.mqtt.config import MqttConfig
from firstboot_plugins.transports.mqtt.dialect import Message, TopicRights
from firstboot_plugins.transports.mqtt.outgoing import Ordinary
from firstboot_plugins.transports.mqtt.packets import Will


@dataclass(frozen=True, slots=True)
class LastWill:
    """A will, and the rights of who has left it: they are asked again when it fires."""

    will: Will
    rights: TopicRights
    owner: Owner


@dataclass(slots=True)
class _Absent:
    """A session and until when it is kept."""

    session: ClientSession
    expires_at: float
    will: LastWill | None
    will_at: float
    bytes: int = 0


class StoredSessions:
    """Keeps one session in each slot of an owner, at most so many for each owner."""

    def __init__(self, config: MqttConfig, now: Callable[[], float], fire: Callable[[LastWill], None]) -> None:
        self._config = config
        self._now = now
        self._fire = fire
        self._absent: dict[Owner, dict[str, _Absent]] = {}
        """The slots of an owner in the order in which their clients have left."""
        self._bytes = 0

    def __len__(self) -> int:
        return sum(map(len, self._absent.values()))

    def keep(
        self,
        session: ClientSession,
        slot: str,
        life_s: float,
        will: LastWill | None,
        will_delay_s: float,
        *,
        taken_over: bool,
    ) -> bool:
        """Keep the session of a client that has left; its will fires if it stays away for longer.

        ``taken_over``: the client is back already, so all that waits for it is kept (threat MQ-3). Returns False,
        and keeps nothing, when there is no room for what its client has not acknowledged.
        """
        assert session.owner is not None  # a stranger's session ends with the connection
        config, now = self._config, self._now()
        most = config.max_queued_messages if taken_over else config.max_stored_messages
        most_bytes = config.max_stored_messages * config.max_packet_size  # also of one that is taken over and over
        session.outgoing.keep_ordinary(most, config.max_packet_size, most_bytes)
        held = session.outgoing.held_bytes
        if held and self._bytes + held > config.max_stored_bytes and not taken_over:
            return False
        absent = _Absent(session, now + life_s, will, now + will_delay_s)
        session.sink = partial(self._queue, absent)
        self._count(absent, held)
        slots = self._absent.setdefault(session.owner, {})
        slots[slot] = absent
        if len(slots) > self._config.max_stored_sessions:
            self._end(session.owner, next(iter(slots)))
        return True

    def resume(self, owner: Owner, slot: str, client_id: str, *, clean_start: bool) -> ClientSession | None:
        """Return the session that a client has left; None if there is none, or it wants none.

        A device has one slot, whatever it calls itself: with another client id it does not get the session.
        """
        absent = self._absent.get(owner, {}).get(slot)
        if absent is None:
            return None
        if clean_start or absent.session.client_id != client_id or absent.expires_at <= self._now():
            self._end(owner, slot)
            return None
        self._take(owner, slot)
        return absent.session

    def forget(self, owner: Owner) -> None:
        """End the sessions of an owner whose rights have ended, without a last word (threat MQ-10)."""
        for slot in list(self._absent.get(owner, {})):
            self._take(owner, slot).session.close()

    def sweep(self) -> None:
        """End what has expired, and let wills fire that are due."""
        now = self._now()
        for owner, slots in list(self._absent.items()):
            for slot, absent in list(slots.items()):
                if absent.expires_at <= now:
                    self._end(owner, slot)
                elif absent.will is not None and absent.will_at <= now:
                    self._fire(absent.will)
                    absent.will = None

    def _end(self, owner: Owner, slot: str) -> None:
        absent = self._take(owner, slot)
        absent.session.close()
        if absent.will is not None:
            self._fire(absent.will)

    def _take(self, owner: Owner, slot: str) -> _Absent:
        slots = self._absent[owner]
        absent = slots.pop(slot)
        if not slots:
            del self._absent[owner]
        self._bytes -= absent.bytes
        return absent

    def _count(self, absent: _Absent, size: int) -> None:
        absent.bytes += size
        self._bytes += size

    def _queue(self, absent: _Absent, message: Message) -> None:
        assert isinstance(message, Ordinary)  # nothing but the broker sends to an absent client
        outgoing, config = absent.session.outgoing, self._config
        if (
            message.qos
            and message.size <= config.max_packet_size
            and outgoing.waiting < config.max_stored_messages
            and self._bytes + message.size <= config.max_stored_bytes
        ):
            outgoing.store(message)
            self._count(absent, message.size)
