"""Management commands that run once at a time in the whole fleet."""

import sys
from contextlib import ExitStack
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, OutputWrapper

from django_redis_patterns.exceptions import LockTimeout

from .held import Held
from .lock import lock


class OnlyOne(BaseCommand):
    """``class Command(OnlyOne, BaseCommand)``: while it runs anywhere, another run of it is skipped, and says so.

    ``lock_options`` go to `lock`, for example ``{"wait": 60}`` to wait for a minute before it is skipped. ``held`` is
    the lock while the command runs: ``self.held.check()`` before a step that must not be done by two. The exit code of
    a skipped run is 0, as there was nothing to do.
    """

    lock_options: ClassVar[dict[str, Any]] = {}
    held: Held

    def get_lock_name(self, **options: Any) -> str:
        """Return the name under which runs exclude each other; the module's name unless overridden.

        *options* are those of the run, so that it may depend on them.
        """
        return f"command:{type(self).__module__}"

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run the command under its lock."""
        alone = lock(self.get_lock_name(**options), **{"wait": 0, "max_hold": None, **self.lock_options})
        with ExitStack() as stack:
            try:
                self.held = stack.enter_context(alone)
            except LockTimeout as busy:
                out = OutputWrapper(options.get("stdout") or sys.stdout)
                out.write(f"skipped: held by {busy.holder or 'somebody else'}")
                return None
            return super().execute(*args, **options)
