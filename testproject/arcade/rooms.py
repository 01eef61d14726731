"""The eight rooms as the home page shows them."""

from dataclasses import dataclass

from arcade.sprites import pixels


@dataclass(frozen=True, kw_only=True)
class Room:
    """One machine of the arcade; ``page`` is the name of its URL, empty while it is being built."""

    name: str
    promise: str
    sprite: str
    page: str = ""

    @property
    def path(self) -> str:
        """The sprite as an SVG path, one unit per pixel."""
        return pixels(self.sprite)


ROOMS = (
    Room(
        name="Sessions",
        promise="Stay logged in, see every device, end the ones you do not know.",
        sprite="...##... ..####.. ..####.. ...##... .######. ######## ######## ########",
        page="devices",
    ),
    Room(
        name="Caching",
        promise="One call on a cold key, and never stale after an invalidation.",
        sprite="....##.. ...##... ..##.... .######. ....##.. ...##... ..##.... ..#.....",
        page="caching",
    ),
    Room(
        name="Rate limits",
        promise="Never over the limit, in any window, on the server clock.",
        sprite="######## .#....#. ..#..#.. ...##... ...##... ..#..#.. .#.##.#. ########",
        page="rate-limits",
    ),
    Room(
        name="Locks",
        promise="One at a time, first come first served, and fenced.",
        sprite="..####.. .#....#. .#....#. ######## ###..### ###..### ######## ########",
        page="locks",
    ),
    Room(
        name="Leaderboards",
        promise="Ranks that follow the database and answer in one trip.",
        sprite=".######. ######## #.####.# .######. ..####.. ...##... ...##... .######.",
        page="leaderboards",
    ),
    Room(
        name="Streams",
        promise="Events handled at least once, even when a consumer dies.",
        sprite=".##..##. #..##..# ........ .##..##. #..##..# ........ .##..##. #..##..#",
        page="streams",
    ),
    Room(
        name="Queues",
        promise="No job leaves Redis before somebody has finished it.",
        sprite="######## #......# ######## ........ ######## ........ ######## ########",
        page="queues",
    ),
    Room(
        name="Real time",
        promise="News that reaches every open page: moves, talk, who overtook you.",
        sprite="...##... ..####.. ..####.. ..####.. .######. ######## ........ ...##...",
        page="quick-draw",
    ),
)
