"""``manage.py redis <area> <action>``: one command for all rooms.

An area is a module or a package of ``django_redis_patterns.management`` with ``HELP``, ``add_arguments(parser)`` and
``handle(command, **options)``, which returns the exit code.
"""

import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_redis_patterns import management
from django_redis_patterns.exceptions import RedisPatternsError


class Command(BaseCommand):
    help = "Look after what this site keeps in Redis."

    def add_arguments(self, parser: CommandParser) -> None:
        """Give each area its own parser."""
        areas = parser.add_subparsers(dest="area", required=True, metavar="area")
        for name in [module.name for module in iter_modules(management.__path__) if module.name != "commands"]:
            area = import_module(f"{management.__name__}.{name}")
            own = areas.add_parser(name, help=area.HELP, description=area.HELP)
            area.add_arguments(own)
            own.set_defaults(run=area.handle)

    def handle(self, *args: Any, run: Any, **options: Any) -> None:
        """Run the area; an exit code other than 0 ends the program."""
        try:
            code = run(self, **options)
        except RedisPatternsError as error:
            raise CommandError(str(error)) from error
        if code:
            sys.exit(code)
