"""The edges of redaction: which length, depth and part counts, which value is forgotten, and what overlaps."""

from __future__ import annotations

import base64
import json

import pytest

from automate_governance.redaction import encodings
from automate_governance.redaction import redactor as redaction
from automate_governance.redaction.callback_tokens import find_tokens, mask_tokens, partial_token_start
from automate_governance.redaction.literal_matcher import LiteralMatcher
from automate_governance.redaction.redactor import (
    MASK,
    RedactedStream,
    Redactor,
    current_redactor,
    redact,
    redact_and_truncate,
    redact_text,
    redactor_context,
)

LOOKS_SECRET = "password=hunter2"
VALUE = "k9-canary-of-the-edges"


@pytest.fixture
def known():
    with redactor_context() as made:
        yield made


# --- lengths ----------------------------------------------------------------------------------------------------------


def test_a_value_has_six_characters_and_a_strong_one_sixteen(known):
    known.learn("xy-56", "xy-567", "k9-456789-12345", "k9-456789-123456")
    assert known.text("xy-56 xy-567") == f"xy-56 {MASK}"
    assert redact_text("a xy-567") == redact("a xy-567") == f"a {MASK}"
    strong = {"at_least": redaction.MIN_STRONG_LENGTH}
    assert known.text("k9-456789-12345 k9-456789-123456", **strong) == f"k9-456789-12345 {MASK}"
    assert known.document('{"a": "xy-567"}', **strong) == '{"a": "xy-567"}'
    assert redact({"a": "xy-567"}, **strong) == {"a": "xy-567"}
    assert redaction.MIN_STRONG_LENGTH == 16


def test_a_short_form_of_a_long_value_counts_by_its_own_length():
    assert encodings.encodings_of("ab\n\n\n\n") >= {"ab\n\n\n\n", "ab\\n\\n\\n\\n"}
    assert all(len(form) >= 6 for value in ("abc", "abcdef", "é" * 6) for form in encodings.encodings_of(value))
    assert base64.b64encode(b"abc\0\0").decode()[:6] not in encodings.encodings_of("abc")


def test_what_looks_like_a_secret_is_masked_unless_it_is_not_asked_for(known):
    masked = f"password={MASK}"
    assert known.text(LOOKS_SECRET) == redact_text(LOOKS_SECRET) == redact(LOOKS_SECRET) == masked
    assert known.text(LOOKS_SECRET, patterns=False) == redact_text(LOOKS_SECRET, patterns=False) == LOOKS_SECRET
    assert redact(LOOKS_SECRET, patterns=False) == LOOKS_SECRET
    document = '{"note": "password=hunter2"}'
    assert known.document(document) == document.replace("hunter2", MASK)
    assert known.document(document, patterns=False) == document
    assert known.value({"token": "x"}) == {"token": MASK} and known.value({"token": ""}) == {"token": ""}
    assert redact_and_truncate(f"{LOOKS_SECRET}\x1b", 99) == f"{LOOKS_SECRET}\\x1b"
    stream = RedactedStream(known)
    assert stream.push(LOOKS_SECRET) + stream.flush() == LOOKS_SECRET


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: (inner,), lambda inner: {"a": inner}])
def test_two_hundred_levels_are_walked(known, wrap):
    def nested(levels):
        value = "x"
        for _ in range(levels):
            value = wrap(value)
        return value

    assert MASK not in str(redact(nested(201))) and "x" in str(redact(nested(201)))
    assert MASK in str(redact(nested(202))) and "'x'" not in str(redact(nested(202)))


def test_a_document_that_is_too_deep_is_masked_as_a_whole(known):
    known.learn(VALUE)
    deep = "[" * 200_000 + f'"{VALUE}"' + "]" * 200_000
    assert known.document(deep) == json.dumps(MASK)


def test_numbers_and_names_are_masked_too(known):
    known.learn("7351.9428", "73519428")
    given = {"a": 7351.9428, "b": [73519428, 1, True, None], VALUE: False}
    assert redact(given) == {"a": MASK, "b": [MASK, 1, True, None], VALUE: False}
    known.learn(VALUE)
    assert redact({VALUE: 1}) == {MASK: 1}


def test_what_is_written_anew_keeps_its_letters(known):
    known.learn("73519428")
    assert known.document('{"a": 7351942861, "b": "ü"}') == '{"a": "***", "b": "ü"}'


def test_a_value_is_exempt_by_where_it_begins(known):
    known.learn(VALUE)
    asked = []

    def is_exempt(data, at):
        asked.append((data, at))
        return at == 2

    text = f"a {VALUE} {VALUE}"
    assert known.text(text, is_exempt=is_exempt) == f"a {VALUE} {MASK}"
    assert asked == [(text.encode(), 2), (text.encode(), 3 + len(VALUE))]


# --- what is known ----------------------------------------------------------------------------------------------------


def test_beyond_the_most_values_the_older_half_is_forgotten(known, monkeypatch):
    monkeypatch.setattr(redaction, "MAX_VALUES", 10)
    values = [f"value-{number:03d}-x9" for number in range(11)]
    assert known.is_empty
    for value in values[:10]:
        known.learn(value)
    assert not known.is_empty
    assert [known.text(value) for value in values[:10]] == [MASK] * 10
    known.learn(values[10])
    assert [known.text(value) == MASK for value in values] == [False] * 6 + [True] * 5


def test_what_is_known_is_not_learned_again(known):
    known.learn(VALUE)
    sets = known._sets
    known.learn(VALUE, VALUE)
    assert known._sets is sets
    known.learn(VALUE, "another-value-8y")
    assert known.text(f"{VALUE} another-value-8y") == f"{MASK} {MASK}"
    known.learn("ab")
    assert len(known._sets) == 1, "what is too short makes no set"


def test_sets_are_joined_with_those_that_are_no_larger(monkeypatch):
    monkeypatch.setattr(redaction, "_SMALL_SET", 0)
    sets = ()
    sizes = []
    for number, size in enumerate((4, 4, 2, 2, 3, 9)):
        sets = redaction._add_set(sets, {b"%d-%d-literal" % (number, each) for each in range(size)})
        sizes.append([len(each.literals) for each in sets])
    assert sizes == [[4], [8], [8, 2], [8, 4], [8, 4, 3], [24]]
    monkeypatch.setattr(redaction, "_SMALL_SET", 24)
    assert len(redaction._add_set(sets, {b"one-more"})) == 1
    assert redaction._add_set(sets, set()) is sets


def test_a_value_of_any_set_is_masked(known, monkeypatch):
    monkeypatch.setattr(redaction, "_SMALL_SET", 0)
    known.learn("first-value-1a", "second-value-2b", "third-value-3c")
    known.learn("last-value-4d")
    assert len(known._sets) == 2
    text = "first-value-1a last-value-4d second-value-2b last-value-4d third-value-3c"
    assert known.text(text) == " ".join([MASK] * 5)
    assert known.partial_match_start(b"x last-val") == 2 and known.partial_match_start(b"x thir") == 2
    assert Redactor().partial_match_start(b"x last-val") == 10


@pytest.mark.parametrize(
    ("spans", "masked"),
    [
        ([(0, 3)], "***3456789"),
        ([(5, 8), (1, 3)], "0***34***89"),
        ([(0, 5), (3, 8)], "***89"),
        ([(0, 8), (2, 4)], "***89"),
        ([(0, 5), (5, 8)], "******89"),
        ([(0, 8), (0, 2), (8, 10)], "******"),
    ],
)
def test_what_overlaps_is_masked_once(spans, masked):
    assert redaction._replace_spans(b"0123456789", spans) == masked.encode()


def test_the_innermost_context_masks_and_all_of_them_learn():
    assert current_redactor().is_empty
    with redactor_context() as outer:
        with redactor_context(given := Redactor()) as inner:
            assert inner is given is current_redactor()
            redaction.learn("value-of-both-5e")
            inner.learn("value-of-one-6f")
        assert current_redactor() is outer
        assert redact_text("value-of-both-5e value-of-one-6f") == f"{MASK} value-of-one-6f"
    assert redact_text("value-of-both-5e") == "value-of-both-5e"


def test_what_people_entered_is_learned_unless_it_is_ordinary():
    with redactor_context() as known:
        redaction.learn_entered("s3cret-of-mine", "status")
        assert known.text("s3cret-of-mine status") == f"{MASK} status"


# --- parts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (" a-value ", {" a-value ", "a-value"}),
        (f"head\n{'x' * 19}\n{'y' * 20}\n-----{'z' * 20}", {"y" * 20}),
        ("https://u:p%40ss-word@h/", {"p%40ss-word", "p@ss-word"}),
        ("https://u@h/", set()),
        ("u:pass-word@h", set()),
        ("https://h/u:pass-word", set()),
        ("https://[u:pass-word@h", set()),
        ('{"password": "inner", "user": "me", "token": 7}', {"inner"}),
        ('{"password": "https://u:deep-word@h"}', {"https://u:deep-word@h", "deep-word"}),
        ('["password", "inner"]', set()),
        ("{no document", set()),
    ],
)
def test_parts_of_a_value(value, parts):
    assert set(encodings.parts_of(value)) - {value, value.strip()} == parts - {value, value.strip()}


def test_markup_may_leave_quotes_as_they_are(known):
    known.learn("a<b\"c'd-secret")
    assert known.text("x a&lt;b\"c'd-secret") == f"x {MASK}"


@pytest.mark.parametrize("value", ["abcdef", "abcdefg", "abcdefgh", "ü?>~ÿþ"])
def test_base64_is_known_by_what_the_value_alone_decides(value):
    """Of each alignment, the longest part that no neighbour changes."""
    raw = value.encode()
    neighbours = (b"\0", b"\xff")
    for shift in range(3):
        around = [
            base64.b64encode(before * shift + raw + after * 3).decode() for before in neighbours for after in neighbours
        ]
        same = [at for at in range((shift + len(raw)) * 8 // 6) if len({text[at] for text in around}) == 1]
        core = around[0][same[0] : same[-1] + 1]
        assert {core, core.replace("+", "-").replace("/", "_")} <= set(encodings._base64(value))


# --- literals ---------------------------------------------------------------------------------------------------------


def test_of_several_literals_the_longest_is_found_at_or_after_the_start():
    matcher = LiteralMatcher([b"abcdefgh-12", b"abcdefgh-1234", b"abcdef", b"xyzxyz"])
    assert matcher.find(b"..abcdefgh-1234") == (2, 15)
    assert matcher.find(b"..abcdefgh-123") == (2, 13)
    assert matcher.find(b"..abcdefgh") == (2, 8)
    assert matcher.find(b"xyzxyz abcdef", 1) == (7, 13) and matcher.find(b"xyzxyz abcdef") == (0, 6)
    assert matcher.find(b"abcdef", 0) == (0, 6) and matcher.find(b"abcdef", 1) is None
    assert LiteralMatcher([b"abcdefgh-12"]).find(b"abcdefgh-1abcdefgh-12") == (10, 21)
    assert LiteralMatcher([b"aaaaaaaa-1"]).find(b"aaaaaaaaa-1") == (1, 11), "its beginning is there twice"
    assert LiteralMatcher([]).longest == 0


@pytest.mark.parametrize("literal", [b"abcdef", b"abcdefgh", b"abcdefghi", b"abcdefgh-1234"])
def test_every_beginning_of_a_literal_is_held_back_and_nothing_else(literal):
    matcher = LiteralMatcher([literal])
    for size in range(1, len(literal)):
        assert matcher.partial_match_start(b"....." + literal[:size]) == 5
        assert matcher.partial_match_start(literal[:size]) == 0
        assert matcher.partial_match_start(b"." + literal[:size] + b".") == size + 2
    assert matcher.partial_match_start(b"." + literal) == len(literal) + 1, "it is whole"
    assert matcher.partial_match_start(b"") == 0


def test_a_whole_literal_is_not_held_back_for_the_sake_of_a_longer_one():
    matcher = LiteralMatcher([b"abcdefgh-12", b"zzzzzzzz-123456"])
    assert matcher.partial_match_start(b".....abcdefgh-12") == 16


# --- callback tokens --------------------------------------------------------------------------------------------------


def test_a_token_has_at_most_four_thousand_bytes():
    begun = b"WyI" + b"a" * 3_997
    assert partial_token_start(b"x" + begun) == 1
    assert partial_token_start(begun + b"a") == 4_001
    assert partial_token_start(begun) == partial_token_start(b"WyIab") == 0
    assert partial_token_start(b"-" * 5_000 + b"WyIab") == 5_000
    assert partial_token_start(b"-" * 5_000 + b"W") == 5_000 and partial_token_start(b"--") == 2


def test_tokens_are_masked_except_those_that_are_shown():
    one, two = (b"WyI" + letter * 40 + b":" + letter * 43 for letter in (b"a", b"b"))
    data = one + b" " + two
    assert find_tokens(data) == [(0, 87), (88, 175)] and find_tokens(b"no token") == []
    assert mask_tokens(data) == b"*** ***"
    assert mask_tokens(data, [two]) == b"*** " + two
    assert mask_tokens(b"no token") == b"no token"
