"""Imported by a program whose leases cannot be held before the file ``lease`` is beside its diary."""

import os
from collections.abc import Sequence
from pathlib import Path

import redis

from tests.core.worker.room import Work

hold = Work.hold


def refuse(work: Work, names: Sequence[str], seconds: float) -> Sequence[str]:
    if Path(os.environ["DIARY"]).with_name("lease").exists():
        return hold(work, names, seconds)
    raise redis.ConnectionError("no lease")


Work.hold = refuse  # type: ignore[method-assign]
