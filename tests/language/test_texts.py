"""Texts that are marked where they are written and translated where they are shown."""

from __future__ import annotations

import json
import pickle

import pytest

from automate_plugins import ntext, text
from automate_plugins.texts import joined, relabelled, restored, stored, translate


def shout(message: str) -> str:
    return message.replace("rows", "ROWS").replace("No field", "KEIN FELD")


def shout_plural(one: str, many: str, count: int) -> str:
    return shout(one if count == 1 else many)


def test_a_text_without_values_is_the_literal_itself():
    literal = "Base URL"
    assert text(literal) is literal


def test_a_text_with_values_is_english_and_can_be_translated_later():
    message = text("No field %(name)s.", name="amount")
    assert message == "No field amount."
    assert translate(message, shout, shout_plural) == "KEIN FELD amount."


def test_values_that_are_texts_are_translated_too():
    message = text("Failed: %(why)s", why=text("No field %(name)s.", name="amount"))
    assert translate(message, shout, shout_plural) == "Failed: KEIN FELD amount."


@pytest.mark.parametrize(("count", "expected"), [(0, "0 ROWS"), (1, "1 row"), (2, "2 ROWS")])
def test_a_number_chooses_the_form(count, expected):
    message = ntext("%(count)s row", "%(count)s rows", count)
    assert translate(message, shout, shout_plural) == expected


def test_a_plain_or_empty_text_goes_to_gettext_only_when_it_is_not_empty():
    assert translate("", lambda _message: pytest.fail("an empty message is the catalogue's header"), shout_plural) == ""
    assert translate("two rows", shout, shout_plural) == "two ROWS"


def test_a_text_survives_json_and_processes():
    message = text("Failed: %(why)s", why=ntext("%(count)s row", "%(count)s rows", 2, table="x"))
    again = restored(json.loads(json.dumps(stored(message))))
    assert again == message == pickle.loads(pickle.dumps(message))  # noqa: S301 - made a line above
    assert translate(again, shout, shout_plural) == "Failed: 2 ROWS"


@pytest.mark.parametrize("kept", [None, {}, [], {"message": "%(a)s", "values": {"b": 1}}, {"message": 3, "values": {}}])
def test_what_was_not_stored_by_a_text_falls_back(kept):
    assert restored(kept, "as recorded") == "as recorded"


def test_an_exception_keeps_the_text_that_it_was_raised_with():
    message = text("No field %(name)s.", name="amount")
    assert str(ValueError(message)) is message
    assert str(message) is message


def test_large_whole_numbers_are_grouped_in_the_language():
    message = text("%(port)s: %(most)s rows", port="54321", most=10_000)
    assert message == "54321: 10,000 rows"
    assert translate(message, shout, shout_plural, lambda number: f"{number:_}") == "54321: 10_000 ROWS"


def test_joined_texts_are_translated_one_by_one():
    message = joined([text("No field %(name)s.", name="amount"), "", "100% of rows"])
    assert message == "No field amount. 100% of rows"
    assert translate(message, shout, shout_plural) == "KEIN FELD amount. 100% of ROWS"
    assert translate(restored(stored(message)), shout, shout_plural) == "KEIN FELD amount. 100% of ROWS"
    assert joined([]) == ""


def test_values_of_a_marked_text_can_be_replaced():
    message = relabelled(text("No field %(name)s.", name="amount"), name="Amount")
    assert message == "No field Amount."
    assert relabelled("plain", name="Amount") == "plain"
