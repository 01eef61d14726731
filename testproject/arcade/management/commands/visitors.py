"""``manage.py visitors``: one process of the fleet that visits the caching room. The site starts it."""

import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand

from arcade.visitors import Process


class Command(BaseCommand):
    """Take orders from stdin until it ends."""

    help = "Visit the caching room, on orders from stdin."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the site, which then says so
        Process(sys.stdin, sys.stdout).run()
