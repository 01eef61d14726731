"""The only place where a key is spelt: ``PREFIX:room:{tag}:part``.

The hash tag is one per object, so all keys of an object live in one slot. What users control is percent-encoded,
so no text can add a separator or move the tag, and is hashed when long.
"""

import re
from base64 import urlsafe_b64encode
from functools import cache, lru_cache
from hashlib import blake2b
from urllib.parse import quote

from django.conf import settings as django_settings

from django_redis_patterns.conf import settings

LONGEST_PART = 64
_SPECIAL = re.compile(r"[\\*?\[\]^-]")


def key(room: str, tag: str, *parts: str) -> str:
    """Return the key of *room* whose slot is decided by *tag* alone."""
    tail = "".join(f":{_safe(part)}" for part in parts)
    return f"{settings().prefix}:{room}:{{{_safe(tag)}}}{tail}"


def escaped(text: str) -> str:
    """Return *text* as a pattern that matches it and nothing else."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def digest(text: str) -> str:
    """Return 22 characters that name *text* without telling it. Unkeyed: it survives a new ``SECRET_KEY``."""
    return _hash(text, b"")


def personal(text: str) -> str:
    """Return 22 characters for an address, an e-mail or a name; who lacks ``SECRET_KEY`` cannot test guesses."""
    return _hash(text, _pepper(django_settings.SECRET_KEY))


@cache
def _pepper(secret: str) -> bytes:
    return blake2b(secret.encode(), person=b"redis-patterns").digest()


def _hash(text: str, secret: bytes) -> str:
    raw = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=secret).digest()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _safe(part: str) -> str:
    if len(part) > LONGEST_PART:
        return f"~{digest(part)}"
    return part if part.isascii() and part.isalnum() else _encoded(part)


@lru_cache(4096)  # of short texts
def _encoded(part: str) -> str:
    encoded = quote(part, safe="@+,=", errors="surrogatepass").replace("~", "%7E")
    return encoded if len(encoded) <= LONGEST_PART else f"~{digest(part)}"
