"""One thread per connection that prolongs what this process holds, and gives back what nobody waits for any more."""

import logging
import os
import random
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from operator import attrgetter
from weakref import ref

from redis import RedisError

from django_redis_patterns.core import trace
from django_redis_patterns.core.connections.clients import is_cluster, primary
from django_redis_patterns.core.operations import batch
from django_redis_patterns.exceptions import RedisPatternsError

from .clock import now
from .lease import LISTEN_AFTER, Lease
from .place import Card, Place
from .post import post
from .turnstile import In, come, leave, renew

#: Leases that are renewed by one command.
MOST_AT_ONCE = 1000
#: A renewal that failed is tried again after so many seconds, drawn from up to twice as many.
AGAIN = 0.15
#: Errands that are run between two looks at the renewals.
ERRANDS_AT_ONCE = 50
#: Seconds after which a thread with nothing to keep ends. Until then it looks around that often, so that a lock which
#: is held for a moment need not wake it.
LINGER, LOOK_AROUND = 10.0, LISTEN_AFTER
#: When to give back: at once, and again after what was still on its way has surely arrived.
GIVE_BACK_AT = (0.0, 0.1, 1.0)

logger = logging.getLogger("django_redis_patterns.locks")


@dataclass(frozen=True)
class _Errand:
    """Something to give back at *when*; ``until`` then it is free by itself."""

    when: float
    until: float
    place: Place
    card: Card
    fence: int


class Keeper:
    """Keeps the leases of one connection. Its thread lives while there is something to keep."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._leases: dict[str, ref[Lease]] = {}
        self._errands: list[_Errand] = []
        self._guard = threading.RLock()  # a signal handler may lock while its thread does
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._wakes_at = 0.0
        self._ends_at = 0.0
        self._is_failing = False

    def keep(self, lease: Lease) -> None:
        """Renew *lease* until it is dropped, lost, forgotten by its holder, or at its end."""
        self._leases[lease.card.token] = ref(lease)
        self._see_to(lease.due)

    def drop(self, lease: Lease) -> None:
        """Renew *lease* no more."""
        self._leases.pop(lease.card.token, None)

    def give_back(self, place: Place, card: Card, fence: int = 0) -> None:
        """Leave *place* behind somebody's back: what was asked for may have been granted, and nobody knows."""
        asked = now()
        errands = [_Errand(asked + wait, asked + card.ttl + wait, place, card, fence) for wait in GIVE_BACK_AT]
        with self._guard:
            self._errands += errands
        self._see_to(asked)

    def _see_to(self, when: float) -> None:
        with self._guard:
            if self._thread is None:
                self._wakes_at, self._ends_at = when, now() + LINGER
                thread = threading.Thread(target=self._run, name=f"redis-locks-{self._alias}", daemon=True)
                thread.start()  # which fails at the end of a process: then there is none, and the next one tries again
                self._thread = thread
            elif when < self._wakes_at:
                self._wake.set()

    def _run(self) -> None:
        while self._is_needed():
            self._wake.wait(max(0.0, self._wakes_at - now()))
            self._wake.clear()
            for duty in (self._listen, self._renew_due, self._run_errands):
                try:
                    duty()
                except Exception:  # whatever it is: the thread must outlive it
                    logger.exception("Locks on Redis connection %r could not be looked after.", self._alias)

    def _is_needed(self) -> bool:
        with self._guard:
            times = [lease.due for lease in self._kept()] + [errand.when for errand in self._errands]
            if times:
                self._ends_at = now() + LINGER
            elif now() >= self._ends_at:
                self._thread = None
                return False
            self._wakes_at = min([*times, now() + LOOK_AROUND])
            return True

    def _kept(self) -> list[Lease]:
        found = {token: known() for token, known in list(self._leases.items())}
        for token in [token for token, lease in found.items() if lease is None]:
            self._leases.pop(token, None)
        return [lease for lease in found.values() if lease is not None]

    def _listen(self) -> None:
        """Hear of it when somebody's lock is released by force."""
        for lease in [lease for lease in self._kept() if lease.listen_at <= now()]:
            lease.listen_at = now() + LISTEN_AFTER  # again, if this fails
            node = primary(self._alias, lease.place.keys[0]) if is_cluster(self._alias) else None
            if not (here := post(self._alias, node)).is_open:
                here.begin()
            lease.listen_at = float("inf")

    def _renew_due(self) -> None:
        moment, kept = now(), self._kept()
        if not any(lease.renew_at <= moment for lease in kept):
            return
        # Whoever is due within half of its interval comes along, so that all of them end up in one command.
        due = [lease for lease in kept if lease.renew_at - moment < lease.card.ttl / 6 and self._may_go_on(lease)]
        for start in range(0, len(due), MOST_AT_ONCE):
            self._renew(due[start : start + MOST_AT_ONCE])

    def _may_go_on(self, lease: Lease) -> bool:
        quorum = lease.of and lease.of()
        if loss := quorum.loss if quorum else lease.loss:
            self.drop(lease)
            lease.lose(loss)
            return False
        if now() >= lease.ends_at:
            self.drop(lease)
            logger.warning("The lock %r is held for longer than its max_hold: no more renewals.", lease.place.name)
            return False
        return True

    def _renew(self, leases: list[Lease]) -> None:
        """Renew in one command; on a cluster in one for each, of which some may fail."""
        asked = now()
        for lease in leases:
            lease.renew_at = asked + random.uniform(AGAIN, 2 * AGAIN)  # unless we learn something
        groups = [[lease] for lease in leases] if is_cluster(self._alias) else [leases]
        with batch(return_exceptions=True) as together:
            pending = [together(renew, self._alias, group) for group in groups]
        errors: list[Exception] = []
        for group, answer in zip(groups, pending, strict=True):
            try:
                self._renewed(group, answer.value, asked)
            except (RedisPatternsError, RedisError) as error:
                errors.append(error)
        self._note(errors)

    def _renewed(self, leases: list[Lease], answers: list[bool], asked: float) -> None:
        for lease, is_kept in zip(leases, answers, strict=True):
            if is_kept:
                lease.prolonged(asked, lease.card.ttl)
            elif lease.heals:
                self._heal(lease)
            else:
                self.drop(lease)
                lease.lose("Redis does not know it any more: its time was up, or the data was lost")

    def _note(self, errors: list[Exception]) -> None:
        if errors:
            trace.count("locks.renewal_failed")
        if errors and not self._is_failing:
            logger.warning("Locks could not be renewed, which is tried until they are lost: %s", errors[0])
        self._is_failing = bool(errors)

    def _heal(self, lease: Lease) -> None:
        """Ask again for what a node has lost, or never gave."""
        asked = now()
        lease.renew_at = asked + lease.card.ttl / 3
        with suppress(RedisPatternsError):
            answer = come(lease.place, lease.card, fence=lease.fence)
            if isinstance(answer, In):
                lease.prolonged(asked, answer.ttl)
        if lease.card.token not in self._leases:  # it was released meanwhile
            self.give_back(lease.place, lease.card)

    def _run_errands(self) -> None:
        for errand in self._due_errands():
            try:
                leave(errand.place, errand.card, errand.fence)
            except (RedisPatternsError, RedisError):
                if errand.when + 1 < errand.until:
                    with self._guard:
                        self._errands.append(replace(errand, when=errand.when + 1))

    def _due_errands(self) -> list[_Errand]:
        """Take some of them, the oldest first: renewals come between."""
        moment = now()
        with self._guard:
            self._errands.sort(key=attrgetter("when"))
            due = [errand for errand in self._errands[:ERRANDS_AT_ONCE] if errand.when <= moment]
            del self._errands[: len(due)]
        return due


_keepers: dict[str, Keeper] = {}


def keeper(alias: str) -> Keeper:
    """Return the keeper of *alias* in this process."""
    return _keepers.get(alias) or _keepers.setdefault(alias, Keeper(alias))


os.register_at_fork(after_in_child=_keepers.clear)
