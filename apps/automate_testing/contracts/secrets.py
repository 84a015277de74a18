"""The contract of secrets backends."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import time
from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Any
from unittest import mock

import pytest

from automate_governance.secrets.interfaces import SecretNotFoundError, SecretsBackend, SecretUnavailableError
from automate_testing.contracts.calls import Call, call_again, make_instance, observe
from automate_testing.contracts.traces import CANARY, contains_secret, error_text

_MISSING = ("no-such-key-8c1f", "no/such.key", "No-Such-Key#field", "contract-key-2", "contract")
_EXACT = "  ".join(("  canary Ünï", "with = % spaces", "x" * 5_000, ""))
_REPLACED = "replaced-b6c7d8e9f0a1"


class SecretsBackendContractTest:
    """What every secrets backend keeps. Override `put` to place a secret, so that reading can be checked.

    Override `unavailable` to make the store fail, so that errors of a store that is away can be checked.
    """

    backend_cls: type[SecretsBackend]
    call_seconds: float = 10.0
    longest_cache: float = 600.0  #: seconds after which a replaced value is not handed out any more; 0 without a cache
    keys_ignore_case: bool = False  #: for a store whose names are the same in any case, such as environment variables

    def put(self, key: str, value: str) -> None:
        """Make `key` hold `value` in the backend."""
        pytest.skip("override put(key, value) to check reading")

    def unavailable(self) -> contextlib.AbstractContextManager[None]:
        """A block in which the store does not respond, or cannot be reached."""
        pytest.skip("override unavailable() to check reading from a store that is away")

    def later(self, backend: SecretsBackend, seconds: float) -> contextlib.AbstractContextManager[None]:
        """A block in which that much time has passed. Override it for a backend with a clock of its own."""
        return _clocks_ahead(backend, seconds)

    @pytest.fixture
    def backend(self) -> SecretsBackend:
        """The backend, made the way the registry makes it."""
        return make_instance(self.backend_cls, guarded=False)

    def test_contract_made_without_arguments(self, backend: SecretsBackend) -> None:
        """Its class is called without arguments, once for all threads."""
        make_instance(type(backend), guarded=False)

    def test_contract_identity(self, backend: SecretsBackend) -> None:
        """It is a SecretsBackend."""
        assert isinstance(backend, SecretsBackend), "it is not a SecretsBackend"

    def test_contract_missing(self, backend: SecretsBackend) -> None:
        """A key that is not there raises SecretNotFoundError."""
        for key in _MISSING:
            self._missing(backend, key)

    def test_contract_missing_names_the_key(self, backend: SecretsBackend) -> None:
        """The error says which key is missing."""
        error = self._missing(backend, _MISSING[0])
        assert _plain(_MISSING[0]) in _plain(str(error)), f"the error does not name the key: {error}"

    def test_contract_read(self, backend: SecretsBackend) -> None:
        """Reads return the stored value as text, each time."""
        self.put("contract-key", CANARY)
        for _ in range(2):
            found = self._read(backend, "contract-key")
            assert type(found) is str, f"the value is {type(found).__name__}, not text"
            assert found == CANARY, "the value is another one"

    def test_contract_value_is_exact(self, backend: SecretsBackend) -> None:
        """A value comes as it is: spaces, signs, letters of any alphabet, several thousand characters."""
        self.put("contract-key", _EXACT)
        found = self._read(backend, "contract-key")
        assert str(found).strip() != _EXACT.strip() or found == _EXACT, (
            "the backend strips the spaces at the ends of a value; hand it out as it was put"
        )
        assert found == _EXACT, "the value is changed on its way"

    def test_contract_neighbours(self, backend: SecretsBackend) -> None:
        """A key whose name only resembles one that is there has no value."""
        self.put("contract-key", CANARY)
        for key in ("contract-key-2", "contract-ke"):
            self._missing(backend, key)
        if not self.keys_ignore_case:
            error = self._observed(backend, "Contract-Key").error
            assert isinstance(error, SecretNotFoundError), (
                "the key 'Contract-Key' gets the value of 'contract-key': compare keys as they are, or say"
                " keys_ignore_case = True in the suite of a store whose names know no case"
            )

    def test_contract_returns_in_time(self, backend: SecretsBackend) -> None:
        """Reading ends, with a value or an error: a step waits for it."""
        call_again(type(backend))
        self._observed(backend, _MISSING[0])
        self.put("contract-key", CANARY)
        self._observed(backend, "contract-key")

    def test_contract_unavailable(self, backend: SecretsBackend) -> None:
        """While the store is away, a read ends in time with SecretUnavailableError: the step is tried again later."""
        self.put("contract-key", CANARY)
        with self.unavailable():
            call = self._observed(backend, "contract-key")
        error = call.error
        assert error is not None, "a key that was not read before has a value, though the store is away"
        assert isinstance(error, SecretUnavailableError), (
            f"a store that is away raises {type(error).__name__}: {error}; raise SecretUnavailableError, so that the"
            " step is tried again later"
        )
        assert str(error), "the error for a store that is away does not say what is wrong"

    def test_contract_no_endless_cache(self, backend: SecretsBackend) -> None:
        """A value that is replaced is not handed out for ever."""
        self.put("contract-key", CANARY)
        self._read(backend, "contract-key")
        self.put("contract-key", _REPLACED)
        with self.later(backend, self.longest_cache):
            found = self._read(backend, "contract-key")
        assert found == _REPLACED, f"a replaced value is still handed out after {self.longest_cache:g} seconds"

    def test_contract_no_endless_miss(self, backend: SecretsBackend) -> None:
        """A key that is added after it was missed is found: not being there is not kept for ever."""
        key = f"contract-late-{token_hex(4)}"
        self._missing(backend, key)
        self.put(key, CANARY)
        with self.later(backend, self.longest_cache):
            found = self._observed(backend, key)
        assert found.error is None, (
            f"a key that was missed once is still missing {self.longest_cache:g} seconds after it was added; do not"
            f" keep misses for ever ({found.error})"
        )

    def test_contract_no_value_in_errors(self, backend: SecretsBackend) -> None:
        """The error for a missing key, and those behind it, show no other key's value."""
        self.put("contract-key", CANARY)
        self._read(backend, "contract-key")
        for key in ("contract-key-2", "no-such-key-8c1f"):
            assert not contains_secret(error_text(self._missing(backend, key))), "an error shows a value"

    def test_contract_no_value_in_logs(self, backend: SecretsBackend) -> None:
        """Values are in no record of `logging`."""
        for call in self._all(backend):
            assert not contains_secret(call.traces.logged), "a record of `logging` shows a value"

    def test_contract_no_value_printed(self, backend: SecretsBackend) -> None:
        """Values are not printed, nor in warnings."""
        for call in self._all(backend):
            assert not contains_secret(call.traces.printed), "a value is printed, or in a warning"
            assert not contains_secret(call.traces.filed), "a value is written to a file"

    def test_contract_no_value_in_repr(self, backend: SecretsBackend) -> None:
        """The backend itself shows no value: tracebacks and debug pages print it."""
        self.put("contract-key", CANARY)
        self._read(backend, "contract-key")
        assert not contains_secret(f"{backend!r} {backend}"), "the backend's repr shows a value"

    def test_contract_keeps_no_value(self, backend: SecretsBackend) -> None:
        """A backend without a cache keeps no value: memory dumps and debug pages show what it keeps."""
        if self.longest_cache:
            pytest.skip("set longest_cache = 0 to check that a backend without a cache keeps no value")
        self.put("contract-key", CANARY)
        self._read(backend, "contract-key")
        kept = f"{getattr(backend, '__dict__', '')} {vars(type(backend))}"
        assert not contains_secret(kept), (
            "the backend keeps a value after the read, and longest_cache is 0: keep none, or declare its cache"
        )

    def _all(self, backend: SecretsBackend) -> Iterator[Call]:
        self.put("contract-key", CANARY)
        for key in ("contract-key", "contract-key", "contract-key-2"):
            yield self._observed(backend, key)

    def _read(self, backend: SecretsBackend, key: str) -> Any:
        call = self._observed(backend, key)
        assert call.error is None, f"reading {key} raises {call.error!r}"
        return call.value

    def _missing(self, backend: SecretsBackend, key: str) -> Exception:
        call = self._observed(backend, key)
        assert call.error is not None, f"the key {key!r} is not there, and has a value"
        assert isinstance(call.error, SecretNotFoundError), f"a missing key raises {type(call.error).__name__}"
        return call.error

    def _observed(self, backend: SecretsBackend, key: str) -> Call:
        return observe(
            lambda: backend.get_secret(key),
            seconds=self.call_seconds,
            what=f"get_secret({key!r})",
            guarded=False,
            plugin=type(backend),
        )


def _plain(text: str) -> str:
    """Letters and digits alone: some backends spell keys in their own way."""
    return "".join(filter(str.isalnum, text.lower()))


@contextlib.contextmanager
def _clocks_ahead(backend: SecretsBackend, seconds: float) -> Iterator[None]:
    """The clocks of `time`, and the `datetime` of the backend's module and of Django, are ahead by that much."""
    ahead = dt.timedelta(seconds=seconds)

    class Later(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return dt.datetime.now(tz) + ahead

        @classmethod
        def utcnow(cls) -> Any:
            return dt.datetime.now(dt.UTC).replace(tzinfo=None) + ahead

    def shifted(clock: Callable[[], float]) -> Callable[[], float]:
        return lambda: clock() + seconds

    with contextlib.ExitStack() as patches:
        for name in ("time", "monotonic", "perf_counter"):
            clock = shifted(getattr(time, name))
            patches.enter_context(mock.patch.object(time, name, clock))
            _replace(patches, backend, name, clock)
        _replace(patches, backend, "datetime", Later)
        yield


def _replace(patches: contextlib.ExitStack, backend: SecretsBackend, name: str, value: Any) -> None:
    """Put `value` where a module imported that very name from a clock's module."""
    for module in filter(None, map(sys.modules.get, (type(backend).__module__, "django.utils.timezone"))):
        if getattr(module, name, None) in (dt.datetime,) or (
            callable(getattr(module, name, None)) and name != "datetime"
        ):
            patches.enter_context(mock.patch.object(module, name, value))
