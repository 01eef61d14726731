"""In which ways a hundred visitors may come."""

from dataclasses import dataclass

from django.conf import settings

from arcade.front_page import MAKE, TTL

VISITORS = 100
LEASE = float(settings.REDIS_PATTERNS["CACHING"]["LEASE"])


@dataclass(frozen=True)
class Scenario:
    """What is tried. ``page``: how it is when they come. ``lasts``: seconds that it takes about."""

    name: str
    title: str
    promise: str
    page: str
    lasts: float


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("cold", "To a cold page", "One makes it, all others wait and are woken.", "cold", MAKE),
        Scenario("warm", "To a warm page", "Everybody has it in one trip.", "warm", 0.1),
        Scenario("old", "To an old page", f"Its {TTL:g} s are up when they come.", "old", MAKE),
        Scenario("late", "Invalidate while it is made", "The late page is refused, and made anew.", "cold", MAKE * 1.5),
        Scenario(
            "kill",
            "Kill the leader",
            f"The next one takes over when the lease of {LEASE:g} s is up.",
            "cold",
            LEASE + 2 * MAKE,
        ),
    )
}
