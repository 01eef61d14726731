"""``{% face name %}``: the pixel face of a player."""

from typing import Any

from django import template

from arcade import sprites

register = template.Library()


@register.inclusion_tag("arcade/face.html")
def face(name: str) -> dict[str, Any]:
    """Draw the player's invader, in the player's colour."""
    return {"path": sprites.pixels(sprites.face(name)), "hue": sprites.hue(name)}
