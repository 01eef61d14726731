"""What a limiter says."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .rate import Rate


@dataclass(frozen=True)
class Quota:
    """One rate of a rule as it stands for one identity. Times are in seconds.

    ``limit`` is the burst of a bucket, else that of the rate. ``remaining`` is what is left of it after this decision.
    ``reset_after``: until all of it is free again. ``retry_after``: until this cost fits; 0.0 when it did.
    """

    rate: Rate
    limit: int
    remaining: int
    reset_after: float
    retry_after: float


@dataclass(frozen=True)
class Charged:
    """What was taken for one decision, to be given back: the script's keys, and its arguments for each of them."""

    connection: str
    keys: Sequence[str]
    args: Sequence[Any]


class Receipt:
    """Hands out what was charged, once."""

    def __init__(self, charged: Charged | None = None) -> None:
        self._charged = [charged] if charged else []

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
        """Return this denial as it is *seconds* afterwards."""
        quotas = tuple(
            replace(
                quota,
                reset_after=max(quota.reset_after - seconds, 0.0),
                retry_after=max(quota.retry_after - seconds, 0.0),
            )
            for quota in self.quotas
        )
        return replace(
            self,
            reset_after=max(self.reset_after - seconds, 0.0),
            retry_after=max(self.retry_after - seconds, 0.0),
            quotas=quotas,
        )
