"""Every game of Quick draw is an event. One group of consumers gives badges for it, another one fills the feed."""

import time
from datetime import timedelta
from typing import Any

from arcade.models import Activity, Career, Play
from arcade.topics import StreamTopic
from django_redis_patterns.streams import Event, Stream, exponential

ENGRAVING, PRINTING = 0.4, 0.5  # s that a badge takes, and a page of the feed
TOPIC = StreamTopic(stream="plays")

plays = Stream("plays", retention=timedelta(days=1))


def log(sender: type[Play], instance: Play, created: bool, **_: Any) -> None:
    """Append a game when it is committed. The same game is one event, however often that is tried."""
    if created:
        player = instance.player
        data = {"player": player.pk, "name": player.get_username(), "points": instance.points}
        plays.append_on_commit(data | {"game": str(instance.start)}, idempotency_key=str(instance.start))
        TOPIC.publish("played")


@plays.consumer(
    group="achievements", ordered_by="player", concurrency=2, max_attempts=3, backoff=exponential(2), start="beginning"
)
def award(event: Event) -> None:
    """Give badges. Each game of a player comes after the ones before it, so "three in a row" is easy to tell."""
    time.sleep(ENGRAVING)  # as drawing or a mail would
    won = Career.count(event.data["player"], event.id, event.data["points"])
    for badge in won:
        TOPIC.publish("won", {"name": event.data["name"], "badge": badge})


@plays.consumer(group="activity-feed", batch=10, concurrency=1, start="beginning")
def tell(events: list[Event]) -> None:
    """Fill the feed, many games at a time; one that is told already is left as it is."""
    time.sleep(PRINTING)
    games = [Activity(event=one.id, at=one.at, name=one.data["name"], points=one.data["points"]) for one in events]
    Activity.objects.bulk_create(games, ignore_conflicts=True)
    TOPIC.publish("told")
