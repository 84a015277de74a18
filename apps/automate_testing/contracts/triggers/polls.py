"""The contract of a connector's polls: nothing is lost, and nothing comes twice.

    class TestMyERPPolls(PollContractTest):
        adapter_cls = MyERPAdapter
        poll_sources = {"new_order": Orders}

`Orders` is a PollSource: the service of a test, to which the suite adds items.
"""

from __future__ import annotations

import copy
import datetime as dt
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_connectors.adapters.polls import Poll
from automate_connectors.context import Context
from automate_connectors.polling.calls import Found, FoundItem, call_poll
from automate_egress import EgressConnectionError, HttpResponse
from automate_testing.contracts.calls import call_again, make_instance, observe, plugin_of
from automate_testing.contracts.traces import contains_secret
from automate_testing.contracts.triggers.attempts import (
    Failure,
    Perform,
    RecordingHttp,
    TriggerAttempt,
    check_no_kept_secret,
    check_secrecy,
    check_single_attempts,
    check_unchanged,
    plant_secrets,
    state_of,
)
from automate_testing.fakes import ScriptedHttp, answer, context

MANY = 250  #: more than services give at once
MOST_PAGES = 100
NOON = dt.datetime(2026, 1, 31, 12, 0, tzinfo=dt.UTC)


class PollSource(ABC):
    """The other side of a poll, empty at first.

    `params` and `connection` are those of the trigger. Times of the service are in whole ticks of `tick`. An item may
    be listed as much later than others as `late` says, with the time at which it was made; 0 where that cannot be.
    """

    params: Mapping[str, Any] = {}
    connection: Mapping[str, Any] = {}
    tick = dt.timedelta(seconds=1)
    late = dt.timedelta(seconds=1)
    is_guarded = True  #: False for a real server, reached by `context["network"]`

    @abstractmethod
    def add(self, number: int, at: dt.datetime) -> None:
        """Make an item that the poll finds; `number` is another one for each, from 1, and `at` its time."""

    @abstractmethod
    def context(self) -> Context:
        """The context of one call, such as `automate_testing.fakes.context(http, connection)`."""


class PollContractTest:
    """What every poll keeps. `untried_polls` names those without a source."""

    adapter_cls: type[ConnectorAdapter]
    poll_sources: Mapping[str, Callable[[], PollSource]] = {}
    untried_polls: Collection[str] = ()
    call_seconds: float = 10.0  #: a call takes no longer, since the other side answers at once

    @pytest.fixture
    def adapter(self) -> ConnectorAdapter:
        """The connector, made the way the registry makes it."""
        return make_instance(self.adapter_cls)

    def test_contract_every_poll(self, adapter: ConnectorAdapter) -> None:
        """Each poll has a source, or is named in `untried_polls`."""
        untried = {poll.name for poll in adapter.polls} - set(self.poll_sources) - set(self.untried_polls)
        assert not untried, f"no source for {', '.join(sorted(untried))}: nothing of it is checked"

    def test_contract_poll_baseline(self, adapter: ConnectorAdapter) -> None:
        """The first call gives what is there, and the next ones nothing of it that is new."""
        for poller in self._pollers(adapter):
            assert not poller.start(), f"{poller.name}: nothing is there, and items are found"
            poller.add(1)
            assert poller.numbers_of(poller.find_new()) == 1, (
                f"{poller.name}: the first item of an empty source is lost"
            )
        for poller in self._pollers(adapter):
            poller.add(3)
            assert poller.start(), f"{poller.name}: without a cursor, the newest items are returned for a preview"
            again = poller.find_new()
            assert not again, (
                f"{poller.name}: {len(again)} items that were there before the first call come as new ones: return"
                " without a cursor what the next call returns again"
            )

    def test_contract_poll_cursor(self, adapter: ConnectorAdapter) -> None:
        """A cursor is JSON that reads back the same, and it is not changed by the call that is given it."""
        for poller in self._pollers(adapter):
            poller.add(2)
            for cursor in (None, poller.call(None).cursor):
                given = copy.deepcopy(cursor)
                returned = poller.returned_cursor(given)
                assert given == cursor, f"{poller.name}: the call changes the cursor that it is given"
                assert _is_plain(returned), f"{poller.name}: the cursor {returned!r} is not plain JSON"

    def test_contract_poll_same_cursor(self, adapter: ConnectorAdapter) -> None:
        """The same cursor gives the same items, however often it is asked with: a crash may follow any call."""
        for poller in self._pollers(adapter):
            poller.add(2)
            poller.start()
            cursor = poller.cursor
            poller.add(2)
            once, again = poller.call(cursor), poller.call(cursor)
            assert poller.numbers_of(once.items) >= 2, f"{poller.name}: two new items are not found"
            assert once.items == again.items, f"{poller.name}: the same cursor gives other items the second time"
            poller.call(once.cursor)
            assert {item.id for item in once.items} <= {item.id for item in poller.call(cursor).items}, (
                f"{poller.name}: the same cursor gives fewer items after a later call: nothing may be remembered but"
                " in the cursor"
            )

    def test_contract_poll_new_items(self, adapter: ConnectorAdapter) -> None:
        """Each new item is found once, in order, with its own id and data, and a time that has a zone."""
        for poller in self._pollers(adapter):
            poller.add(2)
            poller.start()
            found: list[FoundItem] = []
            for count in (1, 3, 0, 2):
                poller.add(count)
                found += poller.find_new()
            assert len(found) == 6, f"{poller.name}: 6 items were made, and {len(found)} were found as new ones"
            assert len({item.data for item in found}) == 6, f"{poller.name}: different items have the same data"
            times = [item.time for item in found if item.time is not None]
            assert times == sorted(times), f"{poller.name}: the items do not come in the order of their times"

    def test_contract_poll_pages(self, adapter: ConnectorAdapter) -> None:
        """Many items come in several results, announced by `more`, and each of them once."""
        for poller in self._pollers(adapter):
            poller.add(1)
            poller.start()
            poller.add(MANY)
            found = poller.find_new()
            assert len(found) == MANY, f"{poller.name}: {MANY} items were made, and {len(found)} were found"
        for poller in self._pollers(adapter):
            poller.add(MANY)
            poller.start()
            poller.add(1)
            found = poller.find_new()
            assert len(found) == 1, f"{poller.name}: one item was made, and {len(found)} were found as new ones"

    def test_contract_poll_clock(self, adapter: ConnectorAdapter) -> None:
        """Items of the same tick of the service's clock are all found, also those made after a call."""
        for poller in self._pollers(adapter):
            poller.add(2, ticks=0)
            poller.start()
            for _ in range(3):
                poller.add(1, ticks=0)
                found = poller.find_new()
                assert len(found) == 1, (
                    f"{poller.name}: an item with the same time as the one before is lost: begin at the time of the"
                    " cursor, not after it"
                )

    def test_contract_poll_overlap(self, adapter: ConnectorAdapter) -> None:
        """An item that is listed later than one that was made after it is found, and the others do not come again."""
        for poller in self._pollers(adapter):
            if not poller.source.late:
                continue
            poller.add(2)
            poller.start()
            poller.add(2)
            poller.find_new()
            poller.add(1, at=poller.now - poller.source.late)
            found = poller.find_new()
            assert found, (
                f"{poller.name}: an item that is listed {poller.source.late.total_seconds():g} s late is lost: begin"
                " before the cursor, for what comes again is known by its id"
            )
            assert len(found) == 1, f"{poller.name}: an item comes again with another id"

    def test_contract_poll_failure(self, adapter: ConnectorAdapter) -> None:
        """What the service refuses, or does not answer, is a ConnectorError; none is taken for "nothing new"."""
        failures: tuple[HttpResponse | Exception, ...] = (
            answer(401),
            answer(500),
            answer(429, headers={"Retry-After": "7"}),
            answer(200, b"<p>Sorry</p>"),
            EgressConnectionError("no server is there"),
        )
        for poller in self._pollers(adapter):
            if not poller.source.is_guarded:
                continue
            for failure in failures:
                call = poller.observed(None, context(ScriptedHttp([failure]), dict(poller.source.connection)))
                said = f"HTTP {failure.status}" if isinstance(failure, HttpResponse) else type(failure).__name__
                assert isinstance(call.error, ConnectorError), f"{poller.name}: {said} is taken for an answer"
                assert call.error.code != "unexpected_error", f"{poller.name}: {said} ends with {call.error.message}"
                if isinstance(failure, HttpResponse) and failure.status == 429:
                    assert call.error.retry_after == 7, f"{poller.name}: Retry-After is lost: say it by `retry_after`"

    def test_contract_poll_secret(self, adapter: ConnectorAdapter) -> None:
        """No secret of the connection is in a log line, a `logging` record, printed text, an error or an item."""
        for poller in self._guarded_pollers(adapter):
            for perform in poller.performs():
                check_secrecy(perform)
                attempt = perform()
                is_in_result = any(contains_secret(str(attempt.call.value), secret) for secret in attempt.secrets)
                assert not is_in_result, f"{poller.name}: a secret of the connection is in an item or a cursor"

    def test_contract_poll_single_attempt(self, adapter: ConnectorAdapter) -> None:
        """A poll neither repeats a failed request nor waits to do so: the platform polls again."""
        for poller in self._guarded_pollers(adapter):
            for perform in poller.performs():
                check_single_attempts(perform)

    def test_contract_poll_keeps_nothing(self, adapter: ConnectorAdapter) -> None:
        """A poll keeps nothing on the connector: the cursor is its only memory."""
        for poller in self._guarded_pollers(adapter):
            check_no_kept_secret(poller.name, adapter, poller.attempt(None).secrets)
        for poller in self._pollers(adapter):
            poller.add(2)
            poller.start()
            poller.add(1)
            poller.find_new()
            before = state_of(adapter)
            poller.add(2)
            poller.find_new()
            check_unchanged(poller.name, before, adapter)

    def test_contract_poll_two_triggers(self, adapter: ConnectorAdapter) -> None:
        """Two triggers do not share a cursor: a poll finds its items although another one's are newer."""
        for first, second in zip(self._pollers(adapter), self._pollers(adapter), strict=True):
            if not first.source.is_guarded:  # a real server, which both would share
                continue
            first.now += dt.timedelta(days=1)
            for poller in (first, second):
                poller.add(2)
                poller.start()
                poller.add(1)
                found = poller.find_new()
            assert len(found) == 1, (
                f"{second.name}: with two triggers, {len(found)} new items of the second are found in place of 1: a"
                " cursor of one trigger is used for another; keep nothing on the connector"
            )

    def test_contract_poll_returns_in_time(self, adapter: ConnectorAdapter) -> None:
        """A poll returns as soon as the service has answered: nothing waits without an end."""
        call_again(plugin_of(adapter))
        for poller in self._pollers(adapter):
            poller.add(1)
            poller.observed(None, poller.source.context())

    def _guarded_pollers(self, adapter: ConnectorAdapter) -> Iterator[_Poller]:
        """Those whose source answers by `context["http"]`, with some items."""
        for poller in self._pollers(adapter):
            if poller.source.is_guarded:
                poller.add(3)
                yield poller

    def _pollers(self, adapter: ConnectorAdapter) -> Iterator[_Poller]:
        """A poller of each poll, with a source of its own."""
        tried = [poll for poll in adapter.polls if poll.name in self.poll_sources]
        if not tried:
            pytest.skip(f"{adapter.code} has no polls with a source")
        for poll in tried:
            yield _Poller(adapter, poll, self.poll_sources[poll.name](), self.call_seconds)


class _Poller:
    """Polls as the platform does: it keeps the cursor and the ids that it has seen, and asks on while there is more."""

    def __init__(self, adapter: ConnectorAdapter, poll: Poll, source: PollSource, seconds: float) -> None:
        self.name = f"{adapter.code}.{poll.name}"
        self.source = source
        self.now = NOON
        self.cursor: Any = None
        self._adapter, self._poll, self._seconds = adapter, poll, seconds
        self._seen: set[str] = set()
        self._made = 0

    def add(self, count: int, *, ticks: int = 1, at: dt.datetime | None = None) -> None:
        """Make items, each so many ticks after the one before."""
        for _ in range(count):
            self._made += 1
            if at is None:
                self.now += ticks * self.source.tick
            self.source.add(self._made, at or self.now)

    def start(self) -> list[FoundItem]:
        """Make the first calls, which start nothing."""
        return self.find_new()

    def find_new(self) -> list[FoundItem]:
        """The items that were not seen before."""
        found: list[FoundItem] = []
        for _ in range(MOST_PAGES):
            result = self.call(self.cursor)
            found += [item for item in result.items if item.id not in self._seen]
            self._seen |= {item.id for item in result.items}
            assert not result.more or result.cursor != self.cursor, (
                f"{self.name}: `more` with the cursor before: the next call would find the same"
            )
            self.cursor = result.cursor
            if not result.more:
                return found
        raise AssertionError(f"{self.name}: `more` does not end")

    def call(self, cursor: Any) -> Found:
        """One call. Fails when it does."""
        call = self.observed(cursor, self.source.context())
        assert call.error is None, f"{self.name} fails: {call.error}"
        found: Found = call.value
        return found

    def performs(self) -> tuple[Perform, ...]:
        """The first call, and the one that follows it."""
        following = self.call(None).cursor
        return tuple(partial(self.attempt, cursor) for cursor in (None, following))

    def attempt(self, cursor: Any, failure: Failure | None = None, position: int = 0) -> TriggerAttempt:
        """One call, with its error; `failure` answers its request at `position`."""
        given = self.source.context()
        secrets = plant_secrets(self._adapter, given)
        http = given["http"] = RecordingHttp(given["http"], failure, position)
        call = self.observed(copy.deepcopy(cursor), given)
        return TriggerAttempt(
            what=self.name,
            call=call,
            context=given,
            requests=http.requests,
            secrets=secrets,
            failed_at=position,
            failure=failure,
        )

    def observed(self, cursor: Any, given: Context) -> Any:
        """One call, with its error."""
        params = copy.deepcopy(dict(self.source.params))

        def act() -> Found:
            result = call_poll(self._adapter, self._poll, params, cursor, given)
            assert params == dict(self.source.params), f"{self.name}: the call changes its inputs"
            return result

        call = observe(
            act,
            seconds=self._seconds,
            what=self.name,
            guarded=self.source.is_guarded,
            plugin=plugin_of(self._adapter),
        )
        if isinstance(call.error, AssertionError):
            raise call.error
        return call

    def returned_cursor(self, cursor: Any) -> Any:
        """The cursor of one call, as the connector returned it."""
        params, given = copy.deepcopy(dict(self.source.params)), self.source.context()
        call = observe(
            lambda: self._adapter.poll(self._poll.name, params, cursor, given),
            seconds=self._seconds,
            what=self.name,
            guarded=self.source.is_guarded,
            plugin=plugin_of(self._adapter),
        )
        assert call.error is None, f"{self.name} fails: {call.error}"
        assert params == dict(self.source.params), f"{self.name}: the call changes its inputs"
        return call.value.cursor

    def numbers_of(self, items: Any) -> int:
        """How many different ids there are."""
        return len({item.id for item in items})


def _is_plain(value: Any) -> bool:
    """Whether JSON reads back the same."""
    try:
        return bool(json.loads(json.dumps(value)) == value)
    except (TypeError, ValueError):
        return False
