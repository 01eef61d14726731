"""Why a server closes a websocket. The browser's client gives up on some and comes back after the others."""

from enum import IntEnum


class Close(IntEnum):
    """The codes `NotificationConsumer` closes with."""

    COME_AGAIN = 1012  #: the login this socket was opened with holds no more: come back with the cookie of today
    TRY_LATER = 1013  #: Redis is away, or denies a permission
    GARBAGE = 4400  #: the third frame that cannot be read
    LOGGED_OUT = 4401  #: nobody is logged in, or the session was ended
    FOREIGN_ORIGIN = 4403  #: the page that opened the socket is not of an allowed host
    SLOW = 4408  #: too much waits to be sent to this client
    FRAME_TOO_BIG = 4409
    TOO_MANY_TOPICS = 4413
    FLOOD = 4429  #: too many frames a second
