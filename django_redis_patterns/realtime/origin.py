"""Whether the page that opens a websocket belongs to this site: browsers send cookies along whoever asks."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import ParseResult, urlparse

from channels.security.websocket import AllowedHostsOriginValidator


def is_allowed(scope: Mapping[str, Any]) -> bool:
    """Decide by ``ALLOWED_HOSTS``, with the rules of Channels' `AllowedHostsOriginValidator`."""
    try:
        return bool(AllowedHostsOriginValidator(None).valid_origin(_origin(scope)))
    except ValueError:  # a port that is no number
        return False


def _origin(scope: Mapping[str, Any]) -> ParseResult | None:
    values = [value for name, value in scope.get("headers", ()) if name == b"origin"]
    return urlparse(values[-1].decode("latin-1")) if values else None
