"""The service of the good connector's poll, and what can be wrong with a poll."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from datetime import datetime

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.polls import PollItem, PollResult
from automate_testing.contracts import PollSource
from automate_testing.fakes import ScriptedHttp, answer, context
from tests.contracts.planted import Fault, planter
from tests.contracts.planted.connectors import CONNECTION, HANGS, Good

FAULTS: list[Fault] = []
planted = planter(FAULTS)
ON_A_PAGE = 100


class Orders(PollSource):
    """Lists orders from a time on, a hundred a page."""

    connection = CONNECTION

    def __init__(self):
        self.orders = []

    def add(self, number, at):
        self.orders.append({"number": number, "at": at.isoformat()})

    def context(self):
        return context(_Service(self), dict(CONNECTION))


class _Service(ScriptedHttp):
    def __init__(self, source):
        super().__init__()
        self.source = source

    def request(self, method, url, *, params=None, **more):
        found = sorted(self.source.orders, key=lambda order: (order["at"], order["number"]))
        if params.get("order") == "newest":
            return answer(200, {"orders": found[-1:], "more": False})
        found = [order for order in found if order["at"] >= params["since"]][(params["page"] - 1) * ON_A_PAGE :]
        return answer(200, {"orders": found[:ON_A_PAGE], "more": len(found) > ON_A_PAGE})


@planted("every_poll", poll_sources={})
class Untried(Good):
    pass


@planted("poll_baseline", says="that were there before the first call")
class BaselineWithoutOverlap(Good):
    def poll(self, name, params, cursor, context):
        found = super().poll(name, params, cursor, context)
        return found if cursor else PollResult(items=found.items[-1:], cursor=found.cursor)


@planted("poll_baseline", says="for a preview")
class BaselineWithoutItems(Good):
    def poll(self, name, params, cursor, context):
        found = super().poll(name, params, cursor, context)
        return found if cursor else PollResult(items=(), cursor=found.cursor)


@planted("poll_baseline", says="the first item of an empty source")
class NothingToBeginWith(Good):
    def poll(self, name, params, cursor, context):
        known = self.newest(context)
        return (
            super().poll(name, params, cursor, context)
            if known
            else PollResult(items=(), cursor={"since": "9999", "page": 1, "newest": ""})
        )

    def edge(self, since):
        return since if since == "9999" else super().edge(since)


@planted("poll_cursor", says="not plain JSON")
class CursorOfATime(Good):
    def next_cursor(self, known, found):
        return {**super().next_cursor(known, found), "at": (1, 2)}


@planted("poll_cursor", says="changes the cursor")
class ChangesTheCursor(Good):
    def poll(self, name, params, cursor, context):
        found = super().poll(name, params, cursor, context)
        if cursor:
            cursor["page"] = 7
        return found


@planted("poll_cursor", says="changes its inputs")
class CompletesTheInputs(Good):
    def poll(self, name, params, cursor, context):
        params["state"] = "open"
        return super().poll(name, params, cursor, context)


@planted("poll_same_cursor", says="fewer items after a later call")
class RemembersByItself(Good):
    """Whatever cursor it is given, it never goes back behind the latest."""

    latest = ""

    def edge(self, since):
        if since < self.latest:
            return self.latest
        self.latest = since
        return super().edge(since)


@planted("poll_same_cursor", says="two new items are not found")
class GivesThemOnce(Good):
    given: set[int] = set()

    def poll(self, name, params, cursor, context):
        found = super().poll(name, params, cursor, context)
        items = [item for item in found.items if item.id not in self.given]
        self.given.update(item.id for item in found.items)
        return PollResult(items=items if not cursor else items[:1], cursor=found.cursor, more=found.more)


@planted("poll_new_items", says="were found as new ones")
class AnotherIdInEachCall(Good):
    def item(self, order):
        return PollItem(id=str(uuid.uuid4()), time=datetime.fromisoformat(order["at"]), data=order)


@planted("poll_new_items", says="order of their times")
class NewestFirst(Good):
    def poll(self, name, params, cursor, context):
        found = super().poll(name, params, cursor, context)
        return PollResult(items=found.items[::-1], cursor=found.cursor, more=found.more)


@planted("poll_new_items", says="have the same data")
class OneDataForAll(Good):
    def item(self, order):
        return PollItem(id=str(order["number"]), time=datetime.fromisoformat(order["at"]), data={"ok": True})


@planted("poll_pages", says="250 items were made, and 99")
class FirstPageAlone(Good):
    def next_cursor(self, known, found):
        return super().next_cursor(known, {**found, "more": False})

    def poll(self, name, params, cursor, context):
        found = super().poll(name, params, cursor, context)
        return PollResult(items=found.items, cursor=found.cursor)


@planted("poll_pages", says="the next call would find the same")
class MoreOfTheSame(Good):
    def next_cursor(self, known, found):
        return known if found["more"] else super().next_cursor(known, found)


@planted("poll_clock", says="with the same time")
class AfterTheCursor(Good):
    def orders(self, context, **query):
        found = super().orders(context, **query)
        return {**found, "orders": [order for order in found["orders"] if order["at"] > query.get("since", "")]}

    def edge(self, since):
        return since


@planted("poll_overlap", says="late is lost")
class NoOverlap(Good):
    def edge(self, since):
        return since


@planted("poll_overlap", says="comes again with another id")
class IdOfItsPlace(Good):
    def poll(self, name, params, cursor, context):
        found = super().poll(name, params, cursor, context)
        items = [
            PollItem(id=f"{place}-{item.time}", time=item.time, data=item.data)
            for place, item in enumerate(found.items)
        ]
        return PollResult(items=items, cursor=found.cursor, more=found.more)


@planted("poll_failure", says="taken for an answer")
class NothingNewOnFailure(Good):
    def poll(self, name, params, cursor, context):
        try:
            return super().poll(name, params, cursor, context)
        except ConnectorError:
            return PollResult(items=(), cursor=cursor or {"since": "", "page": 1, "newest": ""})


@planted("poll_failure", says="Retry-After is lost")
class ForgetsHowLongToWait(Good):
    def refusal(self, response, context):
        return ConnectorError("It refuses", code="refused")


# --- secrets of the connection ----------------------------------------------------------------------------------------


@planted("poll_secret", says="a secret of the connection is written to the log")
class LogsTheToken(Good):
    def poll(self, name, params, cursor, context):
        context["log"](f"Polling with {context['connection']['token']}")
        return super().poll(name, params, cursor, context)


@planted("poll_secret", says="is in a record of `logging`")
class RecordsTheToken(Good):
    def poll(self, name, params, cursor, context):
        logging.getLogger("orders").warning("polling with %s", context["connection"]["token"])
        return super().poll(name, params, cursor, context)


@planted("poll_secret", says="is printed")
class PrintsTheConnection(Good):
    def poll(self, name, params, cursor, context):
        print(context["connection"])
        return super().poll(name, params, cursor, context)


@planted("poll_secret", says="is in an error on HTTP 403")
class TokenInAnError(Good):
    def poll(self, name, params, cursor, context):
        try:
            return super().poll(name, params, cursor, context)
        except ConnectorError as error:
            if error.details.get("status") == 403:
                raise ConnectorError(f"{context['connection']['token']} is refused", code="refused") from error
            raise


@planted("poll_secret", says="is in an error on HTTP 500")
class TokenInTheDetailsOfALaterCall(Good):
    def poll(self, name, params, cursor, context):
        try:
            return super().poll(name, params, cursor, context)
        except ConnectorError as error:
            if error.details.get("status") == 500 and cursor:
                error.details["sent"] = dict(context["connection"])
            raise


@planted("poll_secret", says="is in an item")
class TokenInAnItem(Good):
    def poll(self, name, params, cursor, context):
        found = super().poll(name, params, cursor, context)
        items = [
            PollItem(id=item.id, time=item.time, data={**item.data, "by": context["connection"]["token"]})
            for item in found.items
        ]
        return PollResult(items=items, cursor=found.cursor, more=found.more)


# --- attempts and memory ----------------------------------------------------------------------------------------------


@planted("poll_single_attempt", says="sent the same request again")
class PollsAgain(Good):
    def poll(self, name, params, cursor, context):
        try:
            return super().poll(name, params, cursor, context)
        except ConnectorError:
            return super().poll(name, params, cursor, context)


@planted("poll_single_attempt", says="sleeps 1.1 seconds")
class SleepsBeforeItFails(Good):
    def poll(self, name, params, cursor, context):
        try:
            return super().poll(name, params, cursor, context)
        except ConnectorError as error:
            if error.details.get("status") == 503 and not cursor:
                time.sleep(1.1)
            raise


@planted("poll_keeps_nothing", says="._cursor changes with a call")
class KeepsTheCursor(Good):
    _cursor = None

    def poll(self, name, params, cursor, context):
        found = super().poll(name, params, cursor, context)
        self._cursor = found.cursor
        return found


@planted("poll_keeps_nothing", says="keeps a secret of a call")
class KeepsTheConnection(Good):
    def poll(self, name, params, cursor, context):
        self.__dict__.setdefault("connection", dict(context["connection"]))
        return super().poll(name, params, cursor, context)


@planted("poll_returns_in_time", **HANGS)
class NeverReturns(Good):
    def poll(self, name, params, cursor, context):
        threading.Event().wait()


@planted("poll_two_triggers", says="a cursor of one trigger is used for another")
class KeepsTheFirstCursor(Good):
    first = None

    def poll(self, name, params, cursor, context):
        if self.first is None and cursor:
            self.first = cursor["since"]
        if cursor and self.first > cursor["since"]:
            cursor = {**cursor, "since": self.first}
        return super().poll(name, params, cursor, context)
