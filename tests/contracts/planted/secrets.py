"""A good secrets backend, and what can be wrong with one."""

from __future__ import annotations

import functools
import logging
import os
import sys
import threading
import time

from automate_governance.secrets.interfaces import SecretNotFoundError, SecretsBackend, SecretUnavailableError
from tests.contracts.planted import Fault, planter

FAULTS: list[Fault] = []
planted = planter(FAULTS)
logger = logging.getLogger("planted")
SAFE: dict[str, str] = {}
AWAY = threading.Event()  #: the safe cannot be reached


class GoodBackend(SecretsBackend):
    """Reads a safe, and trusts what it read for a minute."""

    def __init__(self):
        self._known = {}

    def get_secret(self, key):
        until, value = self._known.get(key, (0.0, None))
        if time.monotonic() >= until:
            value = self.read(key)
            self._known[key] = (time.monotonic() + 60, value)
        return value

    def read(self, key):
        if AWAY.is_set():
            return self.fail(key)
        try:
            return SAFE[key]
        except KeyError:
            raise self.missing(key) from None

    def fail(self, key):
        raise SecretUnavailableError("the safe cannot be reached")

    def missing(self, key):
        return SecretNotFoundError(f"there is no secret {key!r}")


@planted("missing")
class MissingIsNone(GoodBackend):
    def read(self, key):
        return SAFE.get(key)


@planted("missing")
class MissingIsAKeyError(GoodBackend):
    def read(self, key):
        return SAFE[key]


@planted("missing")
class MissingIsUnavailable(GoodBackend):
    def missing(self, key):
        return SecretUnavailableError(f"there is no secret {key!r}")


@planted("missing_names_the_key")
class MissingSaysNothing(GoodBackend):
    def missing(self, key):
        return SecretNotFoundError("not found")


@planted("read")
class ValueIsBytes(GoodBackend):
    def read(self, key):
        return super().read(key).encode()


@planted("read")
class ValueIsAnotherOne(GoodBackend):
    def get_secret(self, key):
        return super().get_secret(key)[::-1]


@planted("value_is_exact")
class ValueIsCutShort(GoodBackend):
    def read(self, key):
        return super().read(key)[:255]


@planted("value_is_exact")
class ValueIsSplit(GoodBackend):
    def read(self, key):
        return super().read(key).split("=")[-1]


@planted("value_is_exact", says="strips the spaces")
class ValueIsStripped(GoodBackend):
    def read(self, key):
        return super().read(key).strip()


@planted("neighbours", says="keys_ignore_case")
class CaseOfKeysIsIgnored(GoodBackend):
    def read(self, key):
        return super().read(next((name for name in SAFE if name.lower() == key.lower()), key))


@planted("no_endless_miss")
class MissesAreKept(GoodBackend):
    def __init__(self):
        super().__init__()
        self.missed = set()

    def read(self, key):
        if key in self.missed:
            raise self.missing(key)
        return super().read(key)

    def missing(self, key):
        self.missed.add(key)
        return super().missing(key)


@planted("no_endless_miss")
class MissesAreKeptForADay(GoodBackend):
    missed = {}

    def get_secret(self, key):
        if self.missed.get(key, 0.0) > time.time():
            raise self.missing(key)
        return super().get_secret(key)

    def missing(self, key):
        self.missed[key] = time.time() + 86_400
        return super().missing(key)


@planted("neighbours")
class NearestKeyWins(GoodBackend):
    def read(self, key):
        return next((value for name, value in SAFE.items() if name.startswith(key)), None) or super().read(key)


@planted("neighbours")
class LongerKeysAreCut(GoodBackend):
    def read(self, key):
        return super().read(key[:12])


@planted("no_endless_cache")
class KeepsForEver(GoodBackend):
    def get_secret(self, key):
        if key not in self._known:
            self._known[key] = self.read(key)
        return self._known[key]


@planted("no_endless_cache")
class KeepsByDecorator(GoodBackend):
    @functools.lru_cache  # noqa: B019 - the fault
    def get_secret(self, key):
        return self.read(key)


@planted("returns_in_time", call_seconds=0.5)
class WaitsForEver(GoodBackend):
    def read(self, key):
        threading.Event().wait()


@planted("no_value_in_errors")
class ValuesInTheMessage(GoodBackend):
    def missing(self, key):
        return SecretNotFoundError(f"there is no {key!r} in {SAFE}")


@planted("no_value_in_errors")
class ValuesInTheCause(GoodBackend):
    def read(self, key):
        try:
            return SAFE[key]
        except KeyError:
            raise self.missing(key) from ValueError(f"searched {SAFE}")


@planted("no_value_in_errors")
class ValuesInTheContext(GoodBackend):
    def read(self, key):
        try:
            assert key in SAFE, str(SAFE)
        except AssertionError:
            raise self.missing(key)  # noqa: B904 - the fault
        return SAFE[key]


@planted("no_value_in_errors")
class ValuesInAnAttribute(GoodBackend):
    def missing(self, key):
        error = super().missing(key)
        error.details = {"known": dict(SAFE)}
        return error


@planted("no_value_in_logs")
class LogsValues(GoodBackend):
    def read(self, key):
        value = super().read(key)
        logger.info("read %s=%s", key, value)
        return value


@planted("no_value_in_logs")
class LogsValuesAsExtra(GoodBackend):
    def read(self, key):
        value = super().read(key)
        logger.debug("read", extra={"found": value})
        return value


@planted("no_value_printed")
class PrintsValues(GoodBackend):
    def read(self, key):
        print(SAFE)
        return super().read(key)


@planted("no_value_printed")
class WritesValuesToTheDescriptor(GoodBackend):
    def read(self, key):
        value = super().read(key)
        os.write(2, value.encode())
        return value


@planted("no_value_printed")
class WritesValuesToStderr(GoodBackend):
    def read(self, key):
        value = super().read(key)
        sys.stderr.write(value)
        return value


@planted("no_value_in_repr")
class ShowsValues(GoodBackend):
    def __repr__(self):
        return f"ShowsValues({self._known})"


@planted("made_without_arguments")
class NeedsArguments(GoodBackend):
    def __init__(self, url):
        super().__init__()
        self.url = url


@planted("identity")
class IsNoBackend:
    def get_secret(self, key):
        return GoodBackend().get_secret(key)


# --- a safe that is away ----------------------------------------------------------------------------------------------


@planted("unavailable", says="raises SecretNotFoundError")
class AwayIsMissing(GoodBackend):
    def fail(self, key):
        raise self.missing(key)


@planted("unavailable", says="raises ConnectionError")
class AwayIsBare(GoodBackend):
    def fail(self, key):
        raise ConnectionError("refused")


@planted("unavailable", says="though the store is away")
class AwayIsEmpty(GoodBackend):
    def fail(self, key):
        return ""


@planted("unavailable", says="did not return within", call_seconds=0.5)
class AwayIsWaitedFor(GoodBackend):
    def fail(self, key):
        threading.Event().wait()


@planted("unavailable", says="does not say what is wrong")
class AwaySaysNothing(GoodBackend):
    def fail(self, key):
        raise SecretUnavailableError


@planted("keeps_no_value", says="keeps a value after the read", longest_cache=0)
class KeepsTheLastValue(GoodBackend):
    def get_secret(self, key):
        self.last = self.read(key)
        return self.last


class ReadsEachTime(GoodBackend):
    """A good one without a cache."""

    def get_secret(self, key):
        return self.read(key)
