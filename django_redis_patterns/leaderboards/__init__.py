"""Leaderboards: a sorted set per window, that follows a model's rows or lives in Redis alone; ranks in one trip.

    class Play(models.Model):
        leaderboard = LeaderboardManager(score="points", member="player", at="played_at", windows=["day", "all"])
    Play.leaderboard.top(10); Leaderboard("songs").increment(song, 2); Trending("articles", half_life="6h").hit(article)

Top: ZRANGE. Rank: ZREVRANK, or ZCOUNT of what is better where ties share a rank. Around, pages: one script. A write:
one script for all windows, with the ranks before and after. A commit: a ticket, one query, one write.
Promises: reads are atomic; no score is rounded in silence; the board ends as the database is, whatever the order of
the writes; with Redis away an error, and the commit stands: `reconcile` mends it.
"""

from .entries import Change, Entry
from .leaderboard import Leaderboard
from .managers import LeaderboardManager
from .reconcile import Drift
from .trending import Trending

__all__ = ["Change", "Drift", "Entry", "Leaderboard", "LeaderboardManager", "Trending"]
