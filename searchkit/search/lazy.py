"""A value that is made when somebody needs it, once, whichever thread comes first."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Lazy(Generic[T]):
    def __init__(self, make: Callable[[], T]) -> None:
        self._make, self._lock = make, Lock()
        self._made: list[T] = []

    @classmethod
    def of(cls, value: T) -> Lazy[T]:
        """A value that is there already."""
        lazy: Lazy[T] = cls(lambda: value)
        lazy.get()
        return lazy

    @property
    def is_made(self) -> bool:
        return bool(self._made)

    def get(self) -> T:
        """The value; an error while making it is raised again at the next call."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]
