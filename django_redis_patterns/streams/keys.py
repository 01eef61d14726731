"""The keys of one stream; all lie in one slot."""

from dataclasses import dataclass

from django_redis_patterns.core.keys import digest, key

ROOM = "streams"


@dataclass(frozen=True)
class Keys:
    """Of the stream *name*."""

    name: str

    @property
    def log(self) -> str:
        """STREAM: the events."""
        return key(ROOM, self.name)

    @property
    def live(self) -> str:
        """ZSET: consumer to the end of its lease, in ms."""
        return key(ROOM, self.name, "live")

    @property
    def seen(self) -> str:
        """ZSET: group to when a consumer of it was last there, in ms."""
        return key(ROOM, self.name, "seen")

    @property
    def checkpoints(self) -> str:
        """HASH: group to the id up to which everything is done."""
        return key(ROOM, self.name, "checkpoints")

    @property
    def dropped(self) -> str:
        """HASH: group to how many events ``maxlen`` took from it."""
        return key(ROOM, self.name, "dropped")

    def once(self, text: str) -> str:
        """STRING: the id of the event that was appended with this idempotency key."""
        return key(ROOM, self.name, "once", digest(text))

    def of(self, group: str) -> "GroupKeys":
        """Return the keys of *group*."""
        return GroupKeys(self.name, group)


@dataclass(frozen=True)
class GroupKeys:
    """Of one group of a stream."""

    name: str
    group: str

    @property
    def due(self) -> str:
        """ZSET: id to when it is to be run again, in ms."""
        return self._key("due")

    @property
    def tries(self) -> str:
        """HASH: id to how often it has failed."""
        return self._key("tries")

    @property
    def lanes(self) -> str:
        """ZSET: id to the number of its lane, which is made of its ``ordered_by``."""
        return self._key("lanes")

    @property
    def stirred(self) -> str:
        """SET: lanes whose first event may be waiting for nothing any more."""
        return self._key("stirred")

    @property
    def wake(self) -> str:
        """STREAM: its growing wakes consumers that wait for a lane."""
        return self._key("wake")

    @property
    def dead(self) -> str:
        """STREAM: the dead letters."""
        return self._key("dead")

    def _key(self, part: str) -> str:
        return key(ROOM, self.name, part, self.group)
