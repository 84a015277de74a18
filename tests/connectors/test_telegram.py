"""The poll of a bot, against a server that keeps and drops updates by Telegram's rules."""

from __future__ import annotations

import time

import pytest

from automate_connectors.declared import polls
from automate_connectors.polling.calls import call_poll
from automate_connectors.registry import connectors
from automate_testing.fakes import ScriptedHttp, answer, context

DAY = 86_400


class Bot(ScriptedHttp):
    """The updates of a bot: a request confirms, and so drops, those below its offset."""

    def __init__(self):
        super().__init__()
        self.updates = {}

    def request(self, method, url, *, params=None, **more):
        offset = int(params.get("offset", 0))
        self.updates = {number: update for number, update in self.updates.items() if number >= offset}
        kinds = params["allowed_updates"]
        listed = [update for update in self.updates.values() if any(f'"{name}"' in kinds for name in update)]
        return answer(200, {"ok": True, "result": sorted(listed, key=lambda each: each["update_id"])[:100]})


@pytest.fixture
def bot():
    return Bot()


@pytest.fixture
def find(bot, monkeypatch):
    """Poll so many days from now: the numbers of the updates that start a workflow."""
    adapter = connectors.get("telegram")
    poll = next(each for each in adapter.polls if each.name == "new_message")
    cursors, seen = [None], set()

    def make(days=0.0, params=None, **sent):
        bot.updates.update(
            {number: {"update_id": number, kind: {}} for kind, numbers in sent.items() for number in numbers}
        )
        now = time.time_ns() + int(days * DAY * 1e9)
        with monkeypatch.context() as patched:
            patched.setattr(polls.time, "time_ns", lambda: now)
            found = call_poll(adapter, poll, params or {}, cursors[0], context(bot, {"token": "1:any"}))
        cursors[0] = found.cursor
        fresh = [int(item.id) for item in found.items if item.id not in seen]
        seen.update(item.id for item in found.items)
        return fresh

    return make


def test_updates_are_asked_for_from_the_last_one_on(bot, find):
    assert find(message=range(900_000_000, 900_000_003)) == [900_000_000, 900_000_001, 900_000_002]
    assert find(1, message=[900_000_050]) == [900_000_050]
    assert find(2) == [] and list(bot.updates) == [900_000_050], "what was read is confirmed"


@pytest.mark.parametrize("first", [17, 999_999_999_999])
def test_after_a_week_numbers_may_begin_anywhere(bot, find, first):
    assert find(message=[900_000_000]) == [900_000_000]
    assert find(4) == []
    bot.updates.clear()  # Telegram keeps them for a day
    assert find(8) == [], "nothing came yet"
    assert find(9, message=[first]) == [first]
    rest = find(9.1, message=range(first + 1, first + 251))
    for hour in range(4):
        rest += find(9.2 + hour / 24)
    assert rest == list(range(first + 1, first + 251)), "each of them once"


def test_a_pressed_button_starts_a_workflow_that_wants_it(bot, find):
    assert find(message=[1], callback_query=[2]) == [1]
    assert find(params={"kinds": ["message", "callback_query"]}) == [2]
