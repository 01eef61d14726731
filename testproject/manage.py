#!/usr/bin/env python
"""Redis Arcade's command line: ``python manage.py demo`` shows everything."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Run a Django command; the checkout's own package wins over an installed one."""
    sys.path.insert(1, str(Path(__file__).resolve().parent.parent))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "testproject.settings")

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
