"""What a limiter says."""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from .rate import Rate


class Quota(NamedTuple):
    """One rate of a rule as it stands for one identity. Times are in seconds.

    ``limit`` is the burst of a bucket, else that of the rate. ``remaining`` is what is left of it after this decision.
    ``reset_after``: until all of it is free again. ``retry_after``: until this cost fits; 0.0 when it did.
    """

    rate: Rate
    limit: int
    remaining: int
    reset_after: float
    retry_after: float

    def later(self, seconds: float) -> "Quota":
        """Return it as it is *seconds* afterwards, when nothing has happened."""
        free, retry = self.reset_after - seconds, self.retry_after - seconds
        return self._replace(reset_after=max(free, 0.0), retry_after=max(retry, 0.0))


@dataclass(frozen=True)
class Charged:
    """What was taken from *who* for one decision: keys and arguments of the script that gives it back."""

    who: Any
    connection: str
    keys: list[str]
    args: list[str]


class Receipt:
    """Hands out what was charged, once."""

    def __init__(self, charged: Charged | None = None) -> None:
        self._charged = [charged] if charged else []

    def __bool__(self) -> bool:
        return bool(self._charged)

    def take(self) -> Charged | None:
        """Return what was charged, and None from then on."""
        try:
            return self._charged.pop()
        except IndexError:
            return None

    def put_back(self, charged: Charged) -> None:
        """It was not given back after all."""
        self._charged.append(charged)


@dataclass(frozen=True)
class Decision:
    """Whether one charge is admitted; true when it is. Times are in seconds, as of the answer.

    ``limit``, ``remaining`` and ``reset_after`` are those of the tightest of ``quotas``, one for each rate.
    ``retry_after``: until this cost fits all of them, if nobody else comes first; 0.0 when it did.
    ``exceeded``: the rule is over its limit; in shadow mode it is ``allowed`` all the same.
    ``unavailable``: Redis did not answer, and the rule's ``on_unavailable`` did. Then there are no quotas.
    """

    allowed: bool
    rule: str
    limit: int
    remaining: int
    reset_after: float
    retry_after: float
    quotas: tuple[Quota, ...] = ()
    exceeded: bool = False
    unavailable: bool = False
    receipt: Receipt = field(default_factory=Receipt, repr=False, compare=False)

    def __bool__(self) -> bool:
        return self.allowed

    def later(self, seconds: float) -> "Decision":
        """Return this denial as it is *seconds* afterwards, when nothing has happened."""
        quotas = tuple(quota.later(seconds) for quota in self.quotas)
        free, retry = self.reset_after - seconds, self.retry_after - seconds
        return replace(self, reset_after=max(free, 0.0), retry_after=max(retry, 0.0), quotas=quotas)

    def unmade(self, cost: int) -> "Decision":
        """Return this decision as it is when its *cost* was given back, because another one was denied."""
        quotas = tuple(quota._replace(remaining=quota.remaining + cost) for quota in self.quotas)
        return replace(self, remaining=self.remaining + cost, quotas=quotas)
