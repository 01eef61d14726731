"""Who may do what on a server."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class User:
    """A user of a server, as ``ACL SETUSER`` would have it; without a password, whoever gives the name.

    RedisServer(users={"app": User("secret", "~shop:* &shop:* +@all -@dangerous")})
    """

    password: str | None = None
    rules: str = "~* &* +@all"

    @property
    def words(self) -> list[str]:
        secret = "nopass" if self.password is None else f">{self.password}"
        return ["on", secret, "resetchannels", *self.rules.split()]  # 6.2 would begin with all channels


def options(users: Mapping[str, User]) -> list[str]:
    """Return the server's options. The default user is switched off, unless it is one of *users*."""
    words = [] if "default" in users or not users else ["--user", "default", "off"]
    for name, user in users.items():
        words += ["--user", name, *user.words]
    return words
