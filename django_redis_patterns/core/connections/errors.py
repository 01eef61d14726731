"""Redis' errors under our names, and what each of them says about the command it answers."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions as redis
from redis.asyncio.sentinel import MasterNotFoundError as AsyncMasterNotFoundError
from redis.exceptions import RedisClusterException
from redis.sentinel import MasterNotFoundError

from django_redis_patterns.exceptions import PoolExhausted, RedisDenied, RedisFull, RedisUnavailable

#: What the driver raises; redis-py's cluster errors are not all of one family.
DRIVER_ERRORS = (redis.RedisError, RedisClusterException)

_DENIED = (redis.AuthenticationError, redis.AuthorizationError, redis.NoPermissionError)
_LOST = (redis.ConnectionError, redis.TimeoutError)
_CLUSTER = (redis.ClusterError, redis.SlotNotCoveredError)  # down, a slot without a node, or one that never arrives
_ANSWERS = (redis.BusyLoadingError, redis.MaxConnectionsError)  # connection errors, of a server that is there
_REFUSED = (*_CLUSTER, *_ANSWERS)
_UNKNOWN = "unauthenticated"  # of whom a server reads but the shortest commands
_CUT_SHORT = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
# Older servers hide the code of an error inside of a script in its text.
_CODE = re.compile(r"(?:\A|.* -)(READONLY|OOM|NOREPLICAS|MISCONF|BUSY) ", re.DOTALL)


def mark_unsent(error: BaseException) -> None:
    """Note that the command which *error* kept from being sent provably never left."""
    error.never_sent = True  # type: ignore[attr-defined]


def named(error: Exception, alias: str) -> Exception:
    """Return *error* under our name for it, if we have one."""
    ours = _ours(_inner(error), alias)
    if ours is None:
        return error
    ours.__cause__ = error
    return ours


@contextmanager
def naming(alias: str) -> Iterator[None]:
    """Raise what a plain client raises in the block under our names."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise named(error, alias)  # noqa: B904  it knows its cause


def never_ran(error: Exception) -> bool:
    """Return whether the command provably did not run: it never left, or the server refused it."""
    error = _inner(error)
    return hasattr(error, "never_sent") or is_stale(error) or _code(error) != "" or isinstance(error, _REFUSED)


def is_lost(error: Exception) -> bool:
    """Return whether a new connection may do what this one could not."""
    if isinstance(error, (*_DENIED, *_ANSWERS)) or _is_untrusted(error):
        return False
    return is_stale(error) or isinstance(error, _LOST)


def is_silence(error: Exception) -> bool:
    """Return whether nobody answered: no connection could be made, or the reply took too long.

    A connection that was cut says nothing about the next one.
    """
    error = _inner(error)
    unreachable = hasattr(error, "never_sent") and isinstance(error, redis.ConnectionError)
    return (unreachable or isinstance(error, redis.TimeoutError)) and is_lost(error)


def is_stale(error: Exception) -> bool:
    """Return whether this connection leads to a replica, which was the primary once."""
    return _code(error) == "READONLY" or isinstance(error.__context__, redis.ReadOnlyError)


def _ours(error: BaseException, alias: str) -> Exception | None:
    if isinstance(error, _DENIED) or _is_untrusted(error):
        return RedisDenied(alias, error)
    if isinstance(error, redis.MaxConnectionsError):
        return PoolExhausted(alias)
    if _code(error) == "OOM":
        return RedisFull(alias, error)
    if isinstance(error, (*_LOST, *_CLUSTER)) or _code(error):
        return RedisUnavailable(alias, error, ambiguous=not never_ran(error))  # type: ignore[arg-type]
    return None


def _is_untrusted(error: BaseException) -> bool:
    """Return whether TLS failed because of who we are or the server is, or somebody does not know us.

    A line that was cut is neither.
    """
    if isinstance(error, redis.ResponseError):
        return _UNKNOWN in str(error)
    if isinstance(error, MasterNotFoundError | AsyncMasterNotFoundError):
        return "AuthenticationError" in str(error)
    cause = error.__cause__ or error.__context__
    return isinstance(cause, ssl.SSLError) and not isinstance(cause, _CUT_SHORT)


def _code(error: BaseException) -> str:
    if isinstance(error, redis.ReadOnlyError):
        return "READONLY"
    if isinstance(error, redis.OutOfMemoryError):
        return "OOM"
    found = _CODE.match(str(error)) if isinstance(error, redis.ResponseError) else None
    return found[1] if found else ""


def _inner(error: Exception) -> Exception:
    """Return why a cluster's nodes could not be asked where the slots are, else *error*.

    They are asked before anything is sent, and again when a command was lost, which is then what went wrong.
    """
    if not isinstance(error, RedisClusterException):
        return error
    if isinstance(error.__context__, redis.RedisError):
        return error.__context__
    if isinstance(error.__cause__, redis.RedisError):
        mark_unsent(error.__cause__)
        return error.__cause__
    return error
