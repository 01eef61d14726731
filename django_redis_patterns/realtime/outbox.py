"""What waits to be sent to one client, bounded: a client that does not read must not cost memory."""

from collections import deque
from sys import getsizeof


class Outbox:
    """Frames in order. Bounded by their number and by the bytes they occupy."""

    __slots__ = ("_bytes", "_frames", "_most_bytes", "_most_frames")

    def __init__(self, most_frames: int, most_bytes: int) -> None:
        self._frames: deque[str] = deque()
        self._bytes = 0
        self._most_frames = most_frames
        self._most_bytes = most_bytes

    def put(self, frame: str) -> bool:
        """Append *frame*, or return False because it is full."""
        size = getsizeof(frame)  # what it occupies, without counting its characters
        if len(self._frames) >= self._most_frames or self._bytes + size > self._most_bytes:
            return False
        self._frames.append(frame)
        self._bytes += size
        return True

    def take(self) -> str:
        """Return the oldest frame. Raises IndexError when there is none."""
        frame = self._frames.popleft()
        self._bytes -= getsizeof(frame)
        return frame

    def clear(self) -> None:
        """Forget what waits."""
        self._frames.clear()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._frames)
