from django.db import transaction
from django.test import TestCase

from django_redis_patterns.core import trace
from django_redis_patterns.core.commit import after_commit
from django_redis_patterns.sessions import logout_everywhere
from django_redis_patterns.testing.commit import committed


class User:
    """As much of a user as the operation reads."""

    class _meta:  # noqa: N801  Django's name
        class pk:  # noqa: N801
            @staticmethod
            def value_to_string(user: object) -> str:
                return "7"


class CommittedTests(TestCase):
    def test_each_block_sends_its_own(self) -> None:
        """What is registered in a block is sent at its end, once, however many blocks there are."""
        for _ in range(3):
            with trace.record() as log:
                with committed():
                    after_commit(logout_everywhere, User())  # type: ignore[arg-type]
                    assert log.trips == 0
                assert log.trips > 0

    def test_what_came_before_the_block_is_not_sent_and_in_nobodys_way(self) -> None:
        """A call of the test's set-up waits for a commit that never comes; the block's own is sent."""
        after_commit(logout_everywhere, User())  # type: ignore[arg-type]
        with trace.record() as log:
            with committed():
                after_commit(logout_everywhere, User(), keep=None)  # type: ignore[arg-type]
            assert log.trips > 0

    def test_what_is_rolled_back_is_not_sent(self) -> None:
        """A savepoint that is rolled back takes its calls with it; what came after it is sent."""
        with trace.record() as log, committed():
            try:
                with transaction.atomic():
                    after_commit(logout_everywhere, User())  # type: ignore[arg-type]
                    raise ValueError
            except ValueError:
                pass
        assert log.trips == 0
