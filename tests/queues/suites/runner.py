"""What the programs beside this have in common: settings, the framework under both of its names, and a runner."""

import json
import logging
import os
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import django
from django.conf import settings
from django.test import SimpleTestCase
from django.test.runner import DiscoverRunner

HAS_TASKS = django.VERSION >= (6, 0)
PARTS = ("", ".backends", ".backends.base", ".backends.dummy", ".backends.immediate")
PARTS += (".base", ".checks", ".exceptions", ".signals")


def configure(*apps: str, **tasks: dict[str, Any]) -> None:
    """Configure Django with these ``TASKS``."""
    settings.configure(
        SECRET_KEY="tests only",
        USE_TZ=True,
        DATABASES={name: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"} for name in ("default", "other")},
        INSTALLED_APPS=[*([] if HAS_TASKS else ["django_tasks"]), "django_redis_patterns", *apps],
        REDIS_PATTERNS={"CONNECTIONS": {"default": json.loads(os.environ["TEST_REDIS_CONNECTION"])}},
        TASKS=tasks,
    )
    django.setup()


def speak_both() -> None:
    """Let ``django.tasks`` be `django_tasks` as well, or the other way round: names, errors and logger."""
    real, other = ("django.tasks", "django_tasks") if HAS_TASKS else ("django_tasks", "django.tasks")
    for part in PARTS:
        stand_for(other + part, import_module(real + part))
    package, errors = sys.modules[real], sys.modules[f"{real}.exceptions"]
    package.__dict__.setdefault("Task", sys.modules[f"{real}.base"].__dict__["Task"])
    for name in ("InvalidTask", "InvalidTaskBackend"):
        one, two = (name, f"{name}Error") if HAS_TASKS else (f"{name}Error", name)
        setattr(errors, two, getattr(errors, one))
    logging.getLogger(real).parent = logging.getLogger(other)


def stand_for(name: str, module: ModuleType) -> None:
    """Let *module* be imported as *name*."""
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent and sys.modules[parent].__name__ == parent:
        setattr(sys.modules[parent], child, module)


def stand_in(name: str, **names: object) -> None:
    """Let *names* be what the module *name* has."""
    made = ModuleType(name)
    made.__dict__.update(names)
    stand_for(name, made)


def read(name: str, file: Path, **words: str) -> ModuleType:
    """Let the module *name* be what *file* says, with each of *words* in place of what is its name."""
    stand_in(name)
    text = file.read_text()
    for old, new in words.items():
        text = text.replace(old, new)
    exec(compile(text, file, "exec"), sys.modules[name].__dict__)
    return sys.modules[name]


def cases_of(module: ModuleType) -> list[type]:
    """Return the cases that *module* declares."""
    found = [thing for thing in vars(module).values() if isinstance(thing, type) and issubclass(thing, SimpleTestCase)]
    return [case for case in found if case.__module__ == module.__name__]


def run(cases: list[type], left_out: dict[str, str]) -> NoReturn:
    """Run *cases* without the tests *left_out*, each of which there must be, and end the process."""
    tests = [test for case in cases for test in DiscoverRunner.test_loader.loadTestsFromTestCase(case)]
    names = {f"{type(test).__name__}.{test._testMethodName}" for test in tests}
    if unknown := left_out.keys() - names:
        sys.exit(f"There is no test {', '.join(sorted(unknown))} to be left out.")
    kept = [test for test in tests if f"{type(test).__name__}.{test._testMethodName}" not in left_out]

    class Runner(DiscoverRunner):
        def build_suite(self, *args: object, **kwargs: object) -> object:
            return self.test_suite(kept)

    print(f"{len(kept)} of {len(names)} tests")
    sys.exit(bool(Runner(verbosity=1, interactive=False).run_tests([])))
