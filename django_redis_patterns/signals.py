"""How one room's event reaches another without an import."""

from django.dispatch import Signal

#: A user's session was ended on purpose (logout, "log the others out"). Sends ``user_id: str``, ``id: str`` and
#: ``digest: str``, the hash of the session's key (`core.keys.digest`) by which another room may know it.
session_ended = Signal()

#: A model's board followed the database. ``sender`` is the model; sends ``board: str`` (its name), ``window: str``,
#: ``member: str`` and ``change``, the leaderboards room's ``Change`` with the old and the new rank.
rank_changed = Signal()

#: A request was over a limit. ``sender`` is the rate limits' ``Decision``; sends ``request`` and ``decision``, whose
#: ``allowed`` is True in shadow mode.
rate_limited = Signal()

#: Events left a log before a group had run them (``maxlen``, or somebody's XTRIM). Sends ``stream: str``,
#: ``group: str`` and ``ids: list[str]``.
events_trimmed = Signal()
