"""The way in: one program, which is a supervisor, a child of one, or the reloader above it."""

import logging
import os
import sys
from collections.abc import Callable

from .child import Child
from .feed import Workload
from .lifeline import Lifeline
from .options import Options
from .reloader import Reloader
from .supervisor import Supervisor

logger = logging.getLogger("django_redis_patterns.worker")


def run(workload: Workload, options: Options, tell: Callable[[str], object]) -> int:
    """Work until the end; returns the exit code. *tell* is given the lines that greet who started it."""
    _log(options.verbosity)
    if options.child is not None:
        Child(workload, options, Lifeline.at(options.child)).run()
    if options.reload and options.watched is None:
        return Reloader().run()
    if options.verbosity:
        for line in _greeting(workload, options):
            tell(line)
    lifeline = None if options.watched is None else Lifeline.at(options.watched)
    supervisor = Supervisor(workload, options, lifeline)
    supervisor.run()
    if lifeline is not None:
        lifeline.close()
    if supervisor.begins_anew:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    return 0


def _greeting(workload: Workload, options: Options) -> list[str]:
    processes = "1 process" if options.processes == 1 else f"{options.processes} processes"
    return [*workload.banner, f"{processes}, grace {options.grace:g} s, lease {workload.lease:g} s"]


def _log(verbosity: int) -> None:
    """Show events where the site has not said what to do with them."""
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel({0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG))
