"""What runs for a while."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Running(ABC):
    """Runs from `start` until `stop`, or for as long as a block."""

    @abstractmethod
    def start(self) -> Self:
        """Return when it is ready."""

    @abstractmethod
    def stop(self) -> None:
        """Leave nothing behind. Stopping twice is no error."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
