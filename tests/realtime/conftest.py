from collections.abc import Iterator
from typing import Any

import pytest

from .sockets import BACKEND


@pytest.fixture(autouse=True)
def accounts(settings: Any) -> None:
    """Users come from a backend without a database."""
    settings.AUTHENTICATION_BACKENDS = [BACKEND]


@pytest.fixture(autouse=True)
def may_look_at_database_connections(django_db_blocker: Any) -> Iterator[None]:
    """Channels looks at those of Django's thread, which tests of other rooms may have opened."""
    with django_db_blocker.unblock():
        yield
