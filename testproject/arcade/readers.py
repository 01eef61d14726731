"""A group that reads the log of plays: how far it is, who has what in hand, and what it has given up."""

from collections.abc import Mapping
from dataclasses import dataclass

from django_redis_patterns.streams import DeadLetter, Lag, PendingEvent

MOST, LATEST = 1000, 4  # pending events that are looked at, dead letters that are shown
TITLES = {"achievements": "Achievements", "activity-feed": "Activity feed"}


@dataclass(frozen=True)
class Reader:
    """One group. ``pending`` by the ids of events; ``lag`` is None while nobody of it has come yet."""

    name: str
    lag: Lag | None
    pending: Mapping[str, PendingEvent]
    letters: tuple[DeadLetter, ...]

    @property
    def title(self) -> str:
        """What pages call it."""
        return TITLES[self.name]

    @property
    def unread(self) -> int:
        """How many events at the end of the log it has not read."""
        return self.lag.events if self.lag else MOST

    @property
    def dead(self) -> set[str]:
        """The ids of the events that it has given up."""
        return {letter.event_id for letter in self.letters}

    @property
    def retries(self) -> int:
        """How many events wait until their next attempt is due."""
        return sum(self.state(event) == "retry" for event in self.pending)

    @property
    def latest(self) -> tuple[DeadLetter, ...]:
        """The newest dead letters, the last one first."""
        return self.letters[: -LATEST - 1 : -1]

    @property
    def is_busy(self) -> bool:
        """Whether there is something to watch."""
        return self.lag is not None and bool(self.lag.events or self.lag.pending)

    def state(self, event: str) -> str:
        """Return "hand", "retry", "turn" (it waits for its turn behind a retry), "dead" or "done", of a read event."""
        if one := self.pending.get(event):
            return "hand" if one.consumer else "retry" if one.due else "turn"
        return "dead" if event in self.dead else "done"

    def hand(self, event: str) -> str:
        """Return the name of the consumer that has the event, "" if none has."""
        one = self.pending.get(event)
        return (one.consumer or "") if one else ""
