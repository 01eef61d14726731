"""How one room's event reaches another without an import."""

from django.dispatch import Signal

#: A user's session was ended on purpose (logout, "log the others out"). Sends ``user_id: str`` and ``id: str``.
session_ended = Signal()
