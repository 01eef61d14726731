"""``request.ratelimit``: everything that was decided about one request."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .decision import Decision
from .request_rules import RequestRule


class Verdict:
    """True while the request is within all of its limits; ``decisions`` has those that were asked, in their order."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.refusals: list[Decision] = []  # of a login, whose view answers and does not know why
        self._is_answered = False
        self._decided: list[RequestRule] = []
        self.charged: list[tuple[RequestRule, Decision]] = []  # what the response has a say in

    def __bool__(self) -> bool:
        return all(self.decisions)

    @property
    def remaining(self) -> int | None:
        """How much is left of the tightest limit; None when there is none."""
        return min((decision.remaining for decision in self.decisions if decision.quotas), default=None)

    def undecided(self, rules: Iterable[RequestRule]) -> list[RequestRule]:
        """Return those of *rules* that nobody has decided yet, each once, and have them count as decided."""
        found: list[RequestRule] = []
        for rule in rules:
            if rule not in self._decided:
                self._decided.append(rule)
                found.append(rule)
        return found

    def note(self, rules: Sequence[RequestRule], decisions: Sequence[Decision]) -> None:
        """Remember *decisions*, and for which of *rules* the response will say whether it counts."""
        self.decisions += decisions
        if all(decisions):
            self.charged += [pair for pair in zip(rules, decisions, strict=True) if pair[0].count_if]

    @contextmanager
    def answering(self) -> Iterator[bool]:
        """Say whether it is the caller, outermost of all who limit the request, who sees to its response."""
        is_outermost, self._is_answered = not self._is_answered, True
        try:
            yield is_outermost
        finally:
            self._is_answered = not is_outermost


def verdict_of(request: Any) -> Verdict:
    """Return the verdict of *request*, Django's or the one that DRF wraps; a new one when nobody has asked yet."""
    request = getattr(request, "_request", request)
    found = getattr(request, "ratelimit", None)
    if isinstance(found, Verdict):
        return found
    verdict = request.ratelimit = Verdict()
    return verdict
