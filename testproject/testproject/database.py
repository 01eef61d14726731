"""Which SQL database: SQLite in a file, or PostgreSQL by URL."""

from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

FORM = "postgresql://user:password@host:5432/name"


def sqlite(path: Path) -> dict[str, Any]:
    """Return the DATABASES entry of a SQLite file, at which consumers write too, one after the other."""
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": {"timeout": 20}}


def postgresql(url: str) -> dict[str, Any]:
    """Return the DATABASES entry of a PostgreSQL URL; a query (``?sslmode=require``) becomes OPTIONS."""
    parts = urlsplit(url)
    name = unquote(parts.path.strip("/"))
    if parts.scheme not in {"postgres", "postgresql"} or not name:
        # The URL may hold a password, so the message does not repeat it.
        raise ImproperlyConfigured(f"DATABASE_URL must look like {FORM} (leave it empty for SQLite).")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": _port(parts),
        "OPTIONS": dict(parse_qsl(parts.query)),
    }


def _port(parts: SplitResult) -> str:
    try:
        return str(parts.port or "")
    except ValueError:
        raise ImproperlyConfigured(f"DATABASE_URL has a port that is no number; it must look like {FORM}.") from None
