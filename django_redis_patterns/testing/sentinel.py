"""A primary, its replicas, and three sentinels that watch over them, out of `RedisServer`s."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Self

import redis

from django_redis_patterns.testing.replication import is_followed
from django_redis_patterns.testing.running import Running
from django_redis_patterns.testing.servers import RedisServer, ServerError
from django_redis_patterns.testing.tls import Authority
from django_redis_patterns.testing.waiting import until

SERVICE = "mymaster"
DATA = """--repl-diskless-sync yes --repl-diskless-sync-delay 0 --repl-ping-replica-period 1"""
CONFIG = """\
sentinel monitor {service} 127.0.0.1 {port} 2
sentinel down-after-milliseconds {service} 500
sentinel failover-timeout {service} 3000
"""
# From 7.0 on sentinels can be made to look and talk more often, and to forgive a busy machine sooner (milliseconds).
HASTE = {"info-period": 500, "publish-period": 250, "tilt-period": 1000}


class Sentinel(RedisServer):
    """A sentinel that watches *primary*, which is started before it."""

    READY = "Sentinel ID is"

    def __init__(self, primary: RedisServer, executable: str | None = None, *, tls: Authority | None = None) -> None:
        super().__init__(executable, tls=tls)
        self._primary = primary

    def _command(self) -> list[str]:
        config = self.folder / "sentinel.conf"  # It writes there what it learns.
        config.write_text(CONFIG.format(service=SERVICE, port=self._primary.port))
        tls = ["--tls-replication", "yes"] if self.tls else []
        return [self.executable, str(config), *self._place(), *tls, "--sentinel"]


class SentinelTrio(Running):
    """One primary and *replicas*, watched by three sentinels; as ready as `RedisServer`, and as clean.

        with SentinelTrio() as trio:
            REDIS_PATTERNS = {"CONNECTIONS": {"default": trio.connection}}
            old = trio.kill_primary()
            new = trio.wait_for_failover(old)

    Ready means: the sentinels know each other and all replicas, and these are in sync. A primary counts as down when
    it is silent for half a second.
    """

    service = SERVICE

    def __init__(
        self,
        *,
        replicas: int = 1,
        executable: str | None = None,
        options: Sequence[str] = (),
        tls: Authority | None = None,
    ) -> None:
        words = [*DATA.split(), *(["--tls-replication", "yes"] if tls else []), *options]
        self.tls = tls
        self.servers = [RedisServer(executable, options=words, tls=tls) for _ in range(1 + replicas)]
        self.sentinels = [Sentinel(self.servers[0], executable, tls=tls) for _ in range(3)]

    @property
    def addresses(self) -> list[str]:
        """Of the sentinels."""
        return [f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels]

    @property
    def connection(self) -> dict[str, Any]:
        """An entry for ``CONNECTIONS`` in ``REDIS_PATTERNS``."""
        tls = {"TLS": True, "CA_FILE": self.tls.ca_file} if self.tls else {}
        return {"SENTINELS": self.addresses, "SERVICE": self.service, **tls}

    @property
    def primary(self) -> RedisServer:
        """The server that the sentinels name now. Raises `ServerError` when none of them answers."""
        for server in self._named():
            return server
        raise ServerError("No sentinel answers.")

    @property
    def replica(self) -> RedisServer:
        """The first server that is not the primary, be it well or not."""
        primary = self.primary
        return next(server for server in self.servers if server is not primary)

    def failover(self) -> RedisServer:
        """Have the sentinels promote a replica; return the new primary when they all name it. No server is harmed."""
        old = self.primary
        until(self._order_failover, "The sentinels found no replica to promote.")
        return self.wait_for_failover(old)

    def kill_primary(self) -> RedisServer:
        """End the primary by SIGKILL and return it. The sentinels take half a second to notice."""
        primary = self.primary
        primary.kill()
        return primary

    def freeze_primary(self) -> RedisServer:
        """Pause the primary and return it, for `RedisServer.resume`."""
        primary = self.primary
        primary.pause()
        return primary

    def wait_for_failover(self, old: RedisServer) -> RedisServer:
        """Return the new primary when it is one, and no sentinel that answers names *old* any more."""
        until(lambda: self._is_replaced(old), "The sentinels did not agree on a new primary.")
        return self.primary

    def start(self) -> Self:
        """Start all; return when they are ready."""
        try:
            for server in self.servers:
                server.start()
            for replica in self.servers[1:]:
                with replica.client() as client:
                    client.replicaof("127.0.0.1", self.servers[0].port)
            replicas = len(self.servers) - 1
            until(lambda: is_followed(self.servers[0], replicas), "The replicas did not come in sync.")
            for sentinel in self.sentinels:
                _hurry(sentinel.start())
            until(lambda: all(map(self._is_informed, self.sentinels)), "The sentinels did not come together.")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        for server in (*self.sentinels, *self.servers):
            server.stop()

    def _named(self) -> Iterator[RedisServer]:
        """Whom each sentinel names that answers."""
        for sentinel in self.sentinels:
            with sentinel.client(socket_timeout=1) as client, suppress(redis.RedisError):
                _, port = client.sentinel_get_master_addr_by_name(SERVICE)
                yield next(server for server in self.servers if server.port == int(port))

    def _order_failover(self) -> bool:
        with self.sentinels[0].client() as client:
            try:
                client.execute_command("SENTINEL FAILOVER", SERVICE)
            except redis.ResponseError as error:
                if str(error).startswith(("INPROG", "NOGOODSLAVE")):
                    return False
                raise
        return True

    def _is_replaced(self, old: RedisServer) -> bool:
        named = set(self._named())
        if old in named or len(named) != 1:
            return False
        with named.pop().client(socket_timeout=1) as client, suppress(redis.RedisError):
            return bool(client.info("replication")["role"] == "master")
        return False

    def _is_informed(self, sentinel: RedisServer) -> bool:
        with sentinel.client() as client:
            told: Any = client.sentinel_master(SERVICE)
            replicas: Any = client.sentinel_slaves(SERVICE)
        well = [
            replica for replica in replicas if replica["flags"] == "slave" and replica["master-link-status"] == "ok"
        ]
        return bool(
            told["num-other-sentinels"] == len(self.sentinels) - 1
            and told["flags"] == "master"
            and len(well) == len(self.servers) - 1
        )


def _hurry(sentinel: RedisServer) -> None:
    words = [word for pair in HASTE.items() for word in pair]
    with sentinel.client() as client, suppress(redis.ResponseError):
        client.execute_command("SENTINEL DEBUG", *words)
