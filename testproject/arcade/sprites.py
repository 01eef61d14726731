"""Pixel drawings: those of the rooms, and a face for every player."""

from hashlib import blake2b

FACE = 8  # pixels wide and high


def pixels(sprite: str) -> str:
    """Return the SVG path of a drawing whose rows are split by spaces and whose set pixels are ``#``."""
    rows = enumerate(sprite.split())
    return "".join(f"M{x} {y}h1v1h-1z" for y, row in rows for x, pixel in enumerate(row) if pixel == "#")


def face(name: str) -> str:
    """Return the drawing of the invader that *name* is: the same for ever, alike left and right."""
    chances = blake2b(name.encode(), digest_size=FACE * FACE // 2).digest()
    halves = [chances[row * FACE // 2 : (row + 1) * FACE // 2] for row in range(FACE)]
    return " ".join(_row(number, half) for number, half in enumerate(halves))


def hue(name: str) -> int:
    """Return the colour of *name*, in degrees."""
    return blake2b(name.encode(), digest_size=2).digest()[0] * 360 // 256


def _row(number: int, half: bytes) -> str:
    # Dense in the middle, sparse at the edge, so that it looks like a body with limbs.
    left = "".join("#" if chance < 60 + 50 * column else "." for column, chance in enumerate(half))
    if number in (2, 3):
        left = left[:2] + (".#" if number == 3 else "##")  # eyes, and what is between them
    return left + left[::-1]
