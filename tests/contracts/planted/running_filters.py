"""Filters that do what a render worker does not let them do."""

from __future__ import annotations

from tests.contracts.planted.filters import GoodFilter


class Prints(GoodFilter):
    def apply(self, value, times=1):
        """The text."""
        print(value, flush=True)
        return value


class Exits(GoodFilter):
    def apply(self, value, times=1):
        """Nothing."""
        raise SystemExit(3)


class ReturnsAnObject(GoodFilter):
    def apply(self, value, times=1):
        """An object of its own."""
        return object()


class ReadsAFile(GoodFilter):
    def apply(self, value, times=1):
        """The content of a file."""
        with open("/etc/passwd") as file:
            return file.read()


class Sleeps(GoodFilter):
    def apply(self, value, times=1):
        """Nothing, ever."""
        while True:
            pass


class Grows(GoodFilter):
    def apply(self, value, times=1):
        """A long text."""
        return value * 2_000_000
