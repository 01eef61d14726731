"""Asks several servers at once, and does not wait for more answers than it takes."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django_redis_patterns.core.bell import Bell
from django_redis_patterns.core.operations import IO
from django_redis_patterns.exceptions import RedisDenied

#: Questions that one node may be asked at the same time by this process; a slow one delays its own only.
AT_ONCE = 8

_pools: dict[str, ThreadPoolExecutor] = {}
os.register_at_fork(after_in_child=_pools.clear)


class Poll:
    """Asks one question of each alias, in threads, and is content when the rest cannot change the result."""

    def __init__(self, questions: Mapping[str, Callable[[], Any]], needed: int, is_yes: Callable[[Any], bool]) -> None:
        self._is_yes, self._needed, self._missing = is_yes, needed, len(questions)
        self._bell = Bell()
        self.yes: list[Any] = []
        self.no: list[Any] = []
        self.errors: list[Exception] = []
        for alias, question in questions.items():
            pool = _pools.get(alias) or _pools.setdefault(alias, ThreadPoolExecutor(AT_ONCE, f"redis-redlock-{alias}"))
            try:
                pool.submit(self._ask, question)
            except RuntimeError:  # the interpreter is ending, and starts no threads any more
                self._ask(question)

    def _ask(self, question: Callable[[], Any]) -> None:
        try:
            answer = question()
        except Exception as error:
            self.errors.append(error)
        else:
            (self.yes if self._is_yes(answer) else self.no).append(answer)
        self._bell.ring()

    @property
    def is_won(self) -> bool:
        """Whether enough have said yes."""
        return len(self.yes) >= self._needed

    @property
    def is_over(self) -> bool:
        """Whether it is won or lost, whatever is still to come."""
        answered = len(self.no) + len(self.errors)
        return self.is_won or self._missing - answered < self._needed

    async def result(self, io: IO) -> bool:
        """Wait until it is over; return whether it is won. Raises when too many nodes are away to tell."""
        while not self.is_over:
            await io.wait(self._bell, 1.0)
        if not self.is_won and len(self.errors) > self._missing - self._needed:
            raise next((error for error in self.errors if isinstance(error, RedisDenied)), self.errors[0])
        return self.is_won
