"""redis-py's client of one server, without its retries, which are ours, and the metrics that it keeps of itself.

What watches a site by wrapping ``execute_command`` and ``Pipeline.execute`` sees every command: neither is replaced.
"""

from collections.abc import Sequence
from typing import Any

import redis
from redis.client import Pipeline
from redis.exceptions import ResponseError


class Driver(redis.Redis):
    """The client of one server."""

    def _execute_command(self, *args: Any, **options: Any) -> Any:
        if self.connection:  # it has one connection, and keeps it
            return super()._execute_command(*args, **options)  # type: ignore[no-untyped-call]
        pool: Any = self.connection_pool
        connection = pool.get_connection()
        try:
            connection.send_packed_command(connection.pack_command(*args))
            return self.parse_response(connection, args[0], **options)  # type: ignore[no-untyped-call]
        finally:
            pool.release(connection)

    def in_one_trip(self, commands: Sequence[tuple[tuple[Any, ...], dict[str, Any]]]) -> list[Any]:
        """Send *commands*, arguments and options of each, and return their replies, errors in their places."""
        together = _Together(self.connection_pool, self.response_callbacks, False, None)
        together.command_stack = list(commands)
        return list(together.execute(raise_on_error=False))


class _Together(Pipeline):
    def _execute_pipeline(self, connection: Any, commands: Any, raise_on_error: bool) -> list[Any]:
        connection.send_packed_command(connection.pack_commands([args for args, _ in commands]))
        replies: list[Any] = []
        for args, options in commands:
            try:
                replies.append(redis.Redis.parse_response(self, connection, args[0], **options))  # type: ignore[no-untyped-call]
            except ResponseError as error:
                replies.append(error)
        return replies
