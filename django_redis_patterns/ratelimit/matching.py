"""Which requests a rule counts."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from django.http import HttpRequest

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})  # that views answer
SAFE = frozenset({"GET", "OPTIONS", "TRACE"})
_SLASHES = re.compile("/{2,}")


@dataclass(frozen=True)
class Match:
    """``paths``: beginnings, whatever their case; ``routes``: names of routes such as ``api:*``. One of them is enough.

    A rule has one bucket for all that it matches, not one for each path.
    """

    paths: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, given: Any) -> "Match":
        """Return what ``{"path": "/api/", "route": ["api:*"]}`` says. Raises ValueError that says what to write."""
        if not isinstance(given, Mapping) or not given or given.keys() - {"path", "route"}:
            raise ValueError(f'match is {{"path": "/api/"}} or {{"route": "api:*"}}, not {given!r}.')
        found = cls(_listed(given.get("path", ())), _listed(given.get("route", ())))
        if not all((*found.paths, *found.routes)) or found == cls():
            raise ValueError(
                f"a match names at least one path or route, and none that is empty: {given!r} matches nothing."
            )
        if not all(path.startswith("/") for path in found.paths):
            raise ValueError(f'the paths of a match start with "/", and these do not all: {", ".join(found.paths)}.')
        return cls(tuple(map(_plain, found.paths)), found.routes)

    def covers(self, request: HttpRequest) -> bool:
        """Return whether *request*, already resolved, is one of those."""
        if self.paths and _plain(request.path_info).startswith(self.paths):
            return True
        name = request.resolver_match.view_name if request.resolver_match else ""
        return any(fnmatchcase(name, route) for route in self.routes)


def parse_methods(given: Any) -> frozenset[str] | None:
    """Return the methods that *given* names, None for all: ``"POST"``, ``["GET", "POST"]`` or ``"unsafe"``."""
    if given is None or given == "unsafe":
        return given if given is None else frozenset({"unsafe"})
    names = [name.upper() for name in _listed(given)]
    if not names or not METHODS.issuperset(names):
        raise ValueError(f'methods is "POST", ["GET", "POST"] or "unsafe", not {given!r}.')
    return frozenset("GET" if name == "HEAD" else name for name in names)


def is_of(request: HttpRequest, methods: frozenset[str] | None) -> bool:
    """Return whether *request* is of one of *methods*. A view answers HEAD by its GET, so it counts as one."""
    method = "GET" if request.method == "HEAD" else request.method
    return methods is None or method in methods or ("unsafe" in methods and method not in SAFE)


def is_preflight(request: HttpRequest) -> bool:
    """Return whether a browser asks first whether a page of another origin may send its request."""
    headers = request.headers
    return request.method == "OPTIONS" and "Origin" in headers and "Access-Control-Request-Method" in headers


def is_exempt_path(path: str, among: Iterable[str]) -> bool:
    """Return whether *path* is one of these, or lies under one that ends in a slash. To the letter: it opens a door."""
    return any(path.startswith(exempt) if exempt.endswith("/") else path == exempt for exempt in among)


def _plain(path: str) -> str:
    return _SLASHES.sub("/", path).casefold()


def _listed(given: Any) -> tuple[str, ...]:
    found = (given,) if isinstance(given, str) else tuple(given)
    if not all(isinstance(one, str) for one in found):
        raise ValueError(f"{given!r} must be a text or a list of texts.")
    return found
