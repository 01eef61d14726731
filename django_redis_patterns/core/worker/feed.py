"""What a room hands in: where jobs come from, and where their ends are recorded."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol


class Job(Protocol):
    """One run of a handler. Its feed made it; to the runtime it is opaque."""

    @property
    def key(self) -> str | None:
        """Jobs of one key run one after another, in the order in which they were taken. None: in any order."""

    @property
    def is_async(self) -> bool:
        """Whether `run` returns a coroutine, for the event loop. Else it is called in a thread."""

    def run(self) -> Any:
        """Call the handler."""


class Done(NamedTuple):
    """How a job ended, for its feed.

    ``ran=False``: it was not run, or not to its end, because the child stops, or because one before it of the same
    key has failed: give it back in its place, no attempt counts. ``seconds`` is how long it ran.
    """

    job: Job
    value: Any = None
    error: BaseException | None = None
    ran: bool = True
    seconds: float = 0.0


class Feed(Protocol):
    """Where the jobs of one handler come from, for one child. Its calls are made by two threads at a time."""

    @property
    def name(self) -> str:
        """What the log calls it."""

    @property
    def concurrency(self) -> int:
        """How many of its jobs may run at once in this child."""

    @property
    def ahead(self) -> int:
        """How many to take, at most, before there is a thread for them, when they prove to be short."""

    def step(self, done: Sequence[Done], free: int, wait: float, takes_over: bool) -> Sequence[Job]:
        """Record *done*, then take at most *free* jobs, in one trip if that can be.

        A job that is not this child's any more is not recorded. The same *done* may come twice, when the first reply
        was lost. With nothing done and something free, block up to *wait* seconds for jobs. *takes_over*: whether to
        take what belongs to children whose lease has run out; it is False for a while after an outage, in which the
        living could not renew theirs. What was released may always be taken.
        """

    def recover(self, held: Sequence[Job]) -> Sequence[Job]:
        """Return the jobs that Redis thinks this child has, and that are not *held*: their reply was lost.

        Never called while a take is under way.
        """

    def close(self) -> None:
        """Take nothing from now on. What a step brings that waits already, or is under way, is given back."""

    def tend(self) -> None:
        """Do what has to be done now and then. Short: ends wait for it."""


class Workload(Protocol):
    """What a program works at. Supervisor and children build the same."""

    @property
    def lease(self) -> float:
        """Seconds after which what a vanished child had is taken over."""

    @property
    def banner(self) -> Sequence[str]:
        """What to say at the start, line by line."""

    def hold(self, names: Sequence[str], seconds: float) -> Sequence[str]:
        """Prolong the leases of the children *names*, in one command a node; return those that had run out."""

    def release(self, names: Sequence[str]) -> None:
        """Say that these children are dead: others may take what they had, at once."""

    def known(self) -> Sequence[str]:
        """Return all children that have a lease, or had one and left something behind."""

    def feeds(self, name: str) -> Sequence[Feed]:
        """Return the feeds of the child *name*, a name that is never used again."""
