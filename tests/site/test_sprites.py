"""Faces of players."""

from arcade.sprites import FACE, face, hue, pixels


def test_a_face_is_the_players_own_for_ever() -> None:
    assert face("ada") == face("ada")
    assert len({face(f"player {number}") for number in range(500)}) == 500
    assert 0 <= hue("ada") < 360


def test_a_face_is_alike_left_and_right() -> None:
    for name in ("ada", "grace", "Ж", ""):
        rows = face(name).split()
        assert [len(row) for row in rows] == [FACE] * FACE
        assert all(row == row[::-1] for row in rows)


def test_pixels_become_squares() -> None:
    assert pixels("#. .#") == "M0 0h1v1h-1zM1 1h1v1h-1z"
