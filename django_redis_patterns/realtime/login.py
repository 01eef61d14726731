"""Whether the login that opened a websocket still holds: by the session as it is now, and the user as they are now."""

from typing import Any

from channels.auth import get_user
from channels.db import aclose_old_connections
from django.contrib.auth import SESSION_KEY

from .sign_out import id_of


class Login:
    """One user's login with *session*, whose engine is asked again each time. None: by something else, and it holds."""

    def __init__(self, user: Any, session: Any) -> None:
        self._user_id = id_of(user)
        self._engine = session.__class__  # not type(): Channels wraps it
        self._key: str | None = session.session_key

    @classmethod
    async def of(cls, user: Any, session: Any) -> "Login | None":
        """Return the login of *user* by *session*, None if it was not the session that said who they are."""
        if session is None or not session.session_key or await session.aget(SESSION_KEY) is None:
            return None
        return cls(user, session)

    async def holds(self) -> bool:
        """Return whether the session lives and names this user, who is active and has the password of then.

        Raises whatever the engine or the database raises when they cannot say.
        """
        try:
            return await self._user_now() == self._user_id
        finally:
            await aclose_old_connections()

    async def _user_now(self) -> str | None:
        session = self._engine(self._key)
        if await session.aget(SESSION_KEY) is None:
            await session.aexists(self._key)  # some engines load nothing while their store is away, but raise here
            return None
        user = await get_user({"session": session})
        return id_of(user) if user.is_authenticated else None
