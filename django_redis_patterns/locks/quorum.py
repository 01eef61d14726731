"""The leases that make up one lock, and how many of them it takes."""

from collections.abc import Callable, Sequence
from weakref import ref

from .clock import now
from .keeper import keeper
from .lease import Lease


class Quorum:
    """A lock is ours while ``needed`` of its ``leases`` are: all of several names, the majority of Redlock's nodes.

    ``fence``: the highest of theirs, which the others have been raised to. ``is_over``: it is being left.
    """

    def __init__(self, leases: Sequence[Lease], needed: int, fence: int = 0) -> None:
        self.leases, self.needed, self.fence = leases, needed, fence
        self.is_over = False
        self._why_lost = ""
        for lease in leases:
            lease.of = ref(self)

    @property
    def loss(self) -> str:
        """Why it is not ours any more; "" while it is. Once lost is lost."""
        if not self._why_lost:
            losses = [loss for lease in self.leases if (loss := lease.loss)]
            if len(self.leases) - len(losses) < self.needed:
                self._why_lost = losses[0]
        return self._why_lost

    @property
    def remaining(self) -> float:
        """Seconds until too few are left, if nothing is renewed."""
        deadlines = sorted((lease.deadline for lease in self.leases if not lease.loss), reverse=True)
        return 0.0 if self.loss else max(0.0, deadlines[self.needed - 1] - now())

    def keep(self) -> None:
        """Have all of them renewed."""
        for lease in self.leases:
            keeper(lease.place.connection).keep(lease)

    def drop(self) -> None:
        """Have none of them renewed any more."""
        self.is_over = True
        for lease in self.leases:
            keeper(lease.place.connection).drop(lease)

    def give_back(self) -> None:
        """Leave all of them behind the caller's back."""
        for lease in self.leases:
            keeper(lease.place.connection).give_back(lease.place, lease.card, lease.fence)

    def watch(self, on_change: Callable[[], None] | None) -> None:
        """Call *on_change*, from any thread, when something says that one is lost; None ends that."""
        for lease in self.leases:
            lease.on_change = on_change
