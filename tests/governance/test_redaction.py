"""Redaction: every spelling of a known value, what looks like a secret, streams, log records, and how fast it is."""

from __future__ import annotations

import base64
import io
import json
import logging
import sys
import threading
from urllib.parse import quote

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automate_core.webhooks.callback_urls import callback_url
from automate_governance.middleware import RedactAnswersMiddleware, is_markup
from automate_governance.redaction import log_redaction
from automate_governance.redaction import redactor as redaction
from automate_governance.redaction.log_redaction import RedactingFilter
from automate_governance.redaction.redactor import MASK, RedactedStream, Redactor, redact, redactor, redactor_context
from automate_testing.fakes import context
from tests.governance.spelt import found, spellings
from tests.support.costs import at_most

VALUE = 's3cret-value/with+odd "characters" & <ümläuts>\\'


@pytest.fixture
def known(monkeypatch):
    """A redactor of this test's own: in place of the process's, and of what goes on in the test."""
    with redactor_context() as made:
        for module in (redaction, log_redaction):
            monkeypatch.setattr(module, "redactor", made)
        yield made


@pytest.mark.parametrize("name", [name for name in spellings(VALUE) if "base64" not in name])
def test_every_spelling_is_masked(known, name):
    known.learn(VALUE)
    form = spellings(VALUE)[name]
    assert known.text(f"before {form} after") == f"before {MASK} after"


@pytest.mark.parametrize("before", ["", "a", "ab", "user:"])
@pytest.mark.parametrize("after", ["", "z", "zz"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_masked_whatever_stands_around_it(known, before, after, encode):
    known.learn(VALUE)
    encoded = encode(f"{before}{VALUE}{after}".encode()).decode()
    masked = known.text(f"Basic {encoded} Basic {encoded.rstrip('=')}")
    assert not found(VALUE, masked) and masked.count(MASK) == 2
    assert len(masked) < 60, "no more than the neighbours' own characters is left"


@given(value=st.text(min_size=8, max_size=60), before=st.text(max_size=20), after=st.text(max_size=20))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_survives_in_any_spelling(value, before, after):
    made = Redactor()
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    made.learn(value)
    for name, form in spellings(value).items():
        if len(form) >= redaction.MIN_LENGTH and "base64" not in name:
            masked = made.text(f"{before}{form}{after}", patterns=False)
            assert MASK in masked, name
            assert form not in masked.replace(MASK, "") or form in before + after, name


def test_parts_that_are_secrets_by_themselves(known):
    line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"
    known.learn(f"-----BEGIN PRIVATE KEY-----\n{line}\n{line[::-1]}\n-----END PRIVATE KEY-----\n")
    known.learn("postgresql://reader:corr%40ct-horse@db.example.com/dw")
    known.learn(json.dumps({"client_email": "robot@example.com", "private_key": "inner-private-key-text"}))
    text = known.text(f"{line} corr@ct-horse corr%40ct-horse inner-private-key-text robot@example.com BEGIN")
    assert text == f"{MASK} {MASK} {MASK} {MASK} robot@example.com BEGIN"


def test_a_value_is_masked_as_a_whole_or_not_at_all(known):
    """Else whoever chooses a text finds a value out letter by letter."""
    known.learn(value := "a-very-long-secret-value-0123456789")
    for size in range(6, len(value)):
        assert known.text(f"it is {value[:size]}") == f"it is {value[:size]}"
    assert redaction.redact_and_truncate(f"it is {value}", 30) == f"it is {MASK}", "what we cut is masked before"
    assert redaction.redact_and_truncate("it is long", 5) == "it is"


def test_short_values_do_not_blank_out_ordinary_text(known):
    known.learn("abc")
    known.learn("orders")
    assert known.text("abcdef") == "abcdef"
    assert known.text("42 orders") == f"42 {MASK}"
    assert known.text("42 orders", at_least=redaction.MIN_STRONG_LENGTH) == "42 orders"


LOOKS_LIKE_ONE = {
    "https://user:hunter2hunter2@example.com/x": "https://***@example.com/x",
    "key sk-abcdefghijklmnopqrstuvwx": "key ***",
    "ghp_abcdefghijklmnopqrstuvwxyz012345": "***",
    "github_pat_11ABCDEFG0123456789_abcdef": "***",
    "xoxb-123456789012-abcdef": "***",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw": "***",
    "Authorization: Bearer abcdef.ghi": "Authorization: Bearer ***",
    "proxy-authorization: Basic dXNlcjpwYXNz": "proxy-authorization: Basic ***",
    "X-Api-Key: 0123": "X-Api-Key: ***",
    "Cookie: sessionid=abc; csrftoken=def": "Cookie: ***",
    "Set-Cookie: sessionid=abc; HttpOnly": "Set-Cookie: ***",
    "GET /x?api_key=12345&page=2": "GET /x?api_key=***&page=2",
    "password=hunter2 user=me": "password=*** user=me",
    '{"password": "a \\" b", "user": "me"}': '{"password": "***", "user": "me"}',
    "{'access_token': 'abc', 'n': 1}": "{'access_token': '***', 'n': 1}",
    '"{\\"token\\": \\"abc\\", \\"n\\": 1}"': '"{\\"token\\": \\"***\\", \\"n\\": 1}"',
    "sent with bearer 0123456789abcdef0": "sent with bearer ***",
    "VAULT_TOKEN=hvs.abc-1 was refused": "VAULT_TOKEN=*** was refused",
    "environ({'ERP_API_KEY': 'abc', 'HOME': '/x'})": "environ({'ERP_API_KEY': '***', 'HOME': '/x'})",
    "it exited (SystemExit: token=abcdef).": "it exited (SystemExit: token=***).",
    "[X-Api-Key: 0123]": "[X-Api-Key: ***]",
}  # fmt: skip
ORDINARY = [
    "the token is missing", "needs token and password", '{"next_page_token_count": 3, "tokens": 12}', "ask-for-help",
    "see https://example.com:8443/a@b", "Authorization is required", '{"password": ""}', "a cookie for everybody",
    '{"page": "token"}', "xox", "risk-free", '{"token": null}', "monkey=banana", "next_page_token=abc", "MONKEY=banana", "SORT_KEY=name",
]  # fmt: skip


@pytest.mark.parametrize("text", LOOKS_LIKE_ONE)
def test_what_looks_like_a_secret_is_masked_unseen(known, text):
    masked = known.text(text)
    assert masked == LOOKS_LIKE_ONE[text]
    assert known.text(masked) == masked, "a mask is not masked again"


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays(known, text):
    assert known.text(text) == text


def test_members_are_judged_by_their_names(known):
    given = {"Authorization": "x", "api-key": ["y"], "nested": {"refresh_token": "z", "tokens": 3}, "note": "plain"}
    expected = {
        "Authorization": MASK,
        "api-key": [MASK],
        "nested": {"refresh_token": MASK, "tokens": 3},
        "note": "plain",
    }
    assert redact(given) == expected
    assert redact(given, patterns=False) == given
    assert json.loads(known.document('{"a": {"cookie":"x=1; y=2"}, "b": [1.50, 1]}')) == {
        "a": {"cookie": MASK},
        "b": [1.5, 1],
    }


def test_json_stays_json_even_when_a_secret_is_a_number(known):
    known.learn("73519428")
    assert json.loads(known.document('{"a": 7351942861, "b": "73519428", "c": 1}')) == {"a": MASK, "b": MASK, "c": 1}
    assert redact({"x": [73519428, None, True]}) == {"x": [MASK, None, True]}


def test_what_only_looks_like_a_member_leaves_json_whole(known):
    document = json.dumps({"msg": "'token': 'abc", "b": "it's", "password": "x"})
    assert json.loads(known.document(document)) == {"msg": "'token': 'abc", "b": "it's", "password": MASK}


def test_depth_is_no_way_around(known):
    known.learn("deep-secret-value")
    deep = "deep-secret-value"
    for _ in range(5_000):
        deep = [deep]
    assert "deep-secret" not in str(redact(deep))[-400:]


# --- streams ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 1000])
def test_a_value_over_several_pieces_is_masked(known, size):
    known.learn(VALUE, "another-secret-value", "another-secret-value-and-more")
    text = f"<p>{VALUE}</p> another-secret-value! " + "".join(
        f"[{form}]" for name, form in spellings(VALUE).items() if "base64" not in name
    )
    text += base64.b64encode(f"and {VALUE}".encode()).decode()
    stream = RedactedStream(known)
    pieces = [stream.push(text[at : at + size]) for at in range(0, len(text), size)]
    said = "".join(pieces) + stream.flush()
    assert not found(VALUE, said) and "another" not in said
    assert said == known.text(text, patterns=False)


def test_a_stream_holds_nothing_back_without_need(known):
    known.learn("another-secret-value")
    stream = RedactedStream(known)
    assert stream.push("data: all of it\n\n") == "data: all of it\n\n"
    assert stream.push("data: anot") == "data: "
    assert stream.push("her day\n\n") == "another day\n\n"


def through(response, *handed_out):
    """The answer as it leaves, when a view was handed those values."""

    def view(request):
        redaction.learn(*handed_out)
        return response

    return RedactAnswersMiddleware(view)(RequestFactory().get("/"))


def test_pages_and_streams_hold_no_known_value(known):
    page = HttpResponse(f"<p>{spellings(VALUE)['html']} shorty</p>", headers={"Content-Length": "99"})
    whole = f"a {VALUE}!".encode()
    stream = StreamingHttpResponse((whole[at : at + 9] for at in range(0, len(whole), 9)), content_type="text/plain")
    binary = HttpResponse(VALUE.encode(), content_type="application/octet-stream")

    masked = through(page, VALUE, "shorty")
    assert masked.content == b"<p>*** shorty</p>" and masked["Content-Length"] == "17"
    assert b"".join(through(stream, VALUE)) == b"a ***!"
    assert through(binary, VALUE).content == VALUE.encode()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_callback_is_masked_whole_or_in_pieces_and_nothing_else_is_held_back(known, size):
    address = callback_url("0190c6b2-8c3e-7d54-9a1c-5e2f7b8d9a10", "each[3]/answer")
    token = address.split("/")[-2]
    text = f'{{"a": "{address}"}} WyI= {quote(address, safe="")} WyIx'
    masked = text.replace(token, MASK).replace(quote(token, safe=""), MASK)
    assert text.count("WyI") == 4 and masked.count("WyI") == 2
    assert through(HttpResponse(text)).content.decode() == masked
    pieces = (text[at : at + size].encode() for at in range(0, len(text), size))
    assert b"".join(through(StreamingHttpResponse(pieces))).decode() == masked
    stream = RedactedStream(known)
    assert stream.push("data: Why\n\n") == "data: Why\n\n"
    assert stream.push("x" * 9_000 + "WyI" + "y" * 9_000)[-1] == "y", "what is too long is no token"


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/jsonl", "text/csv", "image/svg+xml", "", "x/y"])
@pytest.mark.parametrize("is_stream", [False, True])
def test_every_kind_of_text_is_masked_whatever_it_is_called(known, kind, is_stream):
    """What is not text is a list of its own, and stays as it is, byte for byte."""
    lines = [b'{"a": "x-%s"}\n' % VALUE[:20].encode(), b"\xff\xfe no utf-8\n"]

    def answer(content_type):
        made = StreamingHttpResponse(iter(lines)) if is_stream else HttpResponse(b"".join(lines))
        made["Content-Type"] = content_type
        return b"".join(through(made, VALUE[:20]))

    assert answer(kind) == b'{"a": "x-***"}\n\xff\xfe no utf-8\n'
    assert answer("application/zip") == b"".join(lines)


def test_an_answer_masks_what_was_handed_out_for_it_and_nothing_else(known):
    """What the process has learned elsewhere would tell people whether their text is a secret."""
    redaction.learn("the-secret-of-somebody-else")
    page = HttpResponse("the-secret-of-somebody-else and the-secret-of-this-request")
    assert through(page, "the-secret-of-this-request").content == b"the-secret-of-somebody-else and ***"


# --- log records ------------------------------------------------------------------------------------------------------


def test_log_lines_tracebacks_and_extras_are_masked(known):
    known.learn("a-token-that-was-logged")
    try:
        raise ValueError("it was a-token-that-was-logged")
    except ValueError:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "token %s", ("a-token-that-was-logged",), sys.exc_info()
        )
    record.request_data = {"deep": ["a-token-that-was-logged"]}
    record.stack_info = "frame a-token-that-was-logged"
    before = dict(vars(record))
    masked = RedactingFilter().filter(record)
    text = logging.Formatter().format(masked)
    assert "a-token" not in text and text.count(MASK) == 4 and "Traceback" in text
    assert masked.request_data == {"deep": [MASK]}
    assert vars(record) == before, "other handlers, and error trackers, find the record as it was made"
    assert masked.exc_info is record.exc_info, "an error tracker looks into the frames"


def test_arguments_that_do_not_fit_harm_nobody():
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "%d items", ("many",), None)
    assert RedactingFilter().filter(record).getMessage() == "%d items"


class Access(logging.Formatter):
    """As web servers have them: it takes the arguments apart."""

    def format(self, record):
        method, path, status = record.args
        return f"{method} [{path}] {status}"


@pytest.mark.parametrize(
    ("message", "arguments", "said"),
    [
        ("%s %s %d", ("GET", "/plain", 200), "GET [/plain] 200"),
        ("%s %s %d", ("GET", "/x?k=a-token-that-was-logged", 200), "GET [/x?k=***] 200"),
        ("%s %s %d", ("GET", "/x?api_key=unseen", 200), "GET [/x?api_key=***] 200"),
    ],
)
def test_formatters_that_read_arguments_find_them(known, message, arguments, said):
    known.learn("a-token-that-was-logged")
    record = logging.LogRecord("x", logging.INFO, __file__, 1, message, arguments, None)
    assert Access().format(RedactingFilter().filter(record)) == said


class Talkative:
    def __str__(self):
        return "made of a-token-that-was-logged"


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("a-token-that-was-logged %s", ("x",)),
        ("%s", (Talkative(),)),
        ("a-token-%s-logged", ("that-was",)),
        ("%(it)s", ({"it": "a-token-that-was-logged"},)),
        ("a-token-that-was-logged", ()),
    ],
)
def test_no_message_keeps_a_value_however_it_is_put_together(known, message, arguments):
    known.learn("a-token-that-was-logged")
    record = logging.LogRecord("x", logging.INFO, __file__, 1, message, arguments, None)
    masked = RedactingFilter().filter(record).getMessage()
    assert "a-token" not in masked and MASK in masked


class Tracker(logging.Handler):
    """As error trackers have them: it keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


def test_handlers_of_the_host_write_no_known_value_and_lose_nothing(known):
    """Nor do they lose what merely looks like a secret: their own lines are theirs."""
    known.learn("a-token-that-was-logged")
    lines, tracker, late = logging.StreamHandler(io.StringIO()), Tracker(), Tracker()
    log = logging.getLogger("a.host.of.its.own")
    log.handlers = [lines, tracker]
    try:
        log_redaction.guard_handlers()
        log_redaction.guard_handlers()
        assert [type(each) for each in lines.filters] == [RedactingFilter]
        log.addHandler(late)
        try:
            raise ValueError("it was a-token-that-was-logged")
        except ValueError:
            log.exception("password=mine %s", "x", extra={"token": "17"})
    finally:
        log.handlers = []
    written = lines.stream.getvalue()
    assert "Traceback" in written and "a-token-that" not in written and "password=mine" in written
    assert [record.exc_info[0] for record in (*tracker.records, *late.records)] == [ValueError, ValueError]
    assert tracker.records[0].token == late.records[0].token == "17"
    assert late.records[0].exc_text is None, "the record that the host made is as it was"


def test_a_formatter_masks_what_another_writes_in_its_own_way(known):
    known.learn("a-token-that-was-logged")

    class Json(logging.Formatter):
        def format(self, record):
            return json.dumps({"error": str(record.exc_info[1])})

    class Masked(log_redaction.RedactingFormatter, Json):
        pass

    error = ValueError("it was a-token-that-was-logged")
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "x", (), (ValueError, error, None))
    assert json.loads(Masked().format(record)) == {"error": f"it was {MASK}"}


def test_a_mail_holds_no_known_value(known, mailoutbox):
    """Not even a short one, which an event may have brought along."""
    from automate_connectors.adapters import email

    known.learn(VALUE, "shorty-7")
    form = spellings(VALUE)["html"]
    params = {"to": "a@example.com", "subject": "About shorty-7", "text": f"It is {VALUE}", "html": f"<p>{form}</p>"}
    email.EmailConnector().execute("send", params, context())
    [mail] = mailoutbox
    assert (mail.subject, mail.body) == ("About ***", "It is ***") and not found(VALUE, str(mail.message()))
    assert mail.alternatives[0].content == "<p>***</p>"


# --- many values ------------------------------------------------------------------------------------------------------


def _value(number):
    return f"value-{number:06d}-{number * 2654435761 % 2**32:08x}"


@pytest.mark.extended
def test_thousands_of_values_are_found_and_cost_little(known):
    with at_most(3_000):
        for number in range(2_000):
            known.learn(_value(number))
    document = json.dumps([{"id": number, "name": "somebody", "note": "nothing to see"} for number in range(60)])
    assert known.text(document) is document
    with at_most(50):
        for _ in range(100):
            known.text(document)
    assert known.text(f"x {_value(7)} {_value(1999)} y") == f"x {MASK} {MASK} y"


def test_what_was_learned_first_is_forgotten_first(known, monkeypatch):
    monkeypatch.setattr(redaction, "MAX_VALUES", 100)
    for number in range(101):
        known.learn(_value(number))
    assert known.text(_value(0)) == _value(0) and known.text(_value(100)) == MASK
    known.learn(_value(0))
    assert known.text(_value(0)) == MASK


WORDS = ["status", "csrfmiddlewaretoken", "Issue triage", "order-2026", "2026-11", "/admin/login/", "X", "Nachtläufer"]
SECRETS = ["hunter2", "s3cret-of-mine", "CorrectHorse", "sk_live_4eC39HqLyjWDarj", "3f9a77c0", "a1b2c3d4e5f6a7b8"]


@pytest.mark.parametrize("value", WORDS)
def test_nobody_can_blank_out_ordinary_words(known, value):
    known.learn_entered(value, f"{value}")
    assert known.text(f"<{value}>") == f"<{value}>"


@pytest.mark.parametrize("value", SECRETS)
def test_what_is_no_ordinary_word_is_masked(known, value):
    known.learn_entered(value)
    assert known.text(f"<{value}>") == f"<{MASK}>"


def test_a_stored_value_breaks_no_page(known, client):
    """The markup of a page is not there to be masked, what it shows is."""
    known.learn(name := 'hx-headers=\'{"X-CSRFToken"', "csrfmiddlewaretoken", shown := "k9-canary-that-is-shown")
    html = (
        f'<body {name}: "t"}}\'><input name="csrfmiddlewaretoken" value="{shown}"><p title="{shown}">{shown} < {shown}'
    )
    masked = known.text(html, patterns=False, at_least=redaction.MIN_STRONG_LENGTH, is_exempt=is_markup)
    assert masked == html.replace(shown, MASK)


def test_threads_may_learn_and_mask_at_once(known):
    missed = []

    def learn(start):
        for number in range(start, start + 50):
            known.learn(_value(number))
            if known.text(_value(number)) != MASK:
                missed.append(number)

    threads = [threading.Thread(target=learn, args=(start,)) for start in range(0, 400, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not missed and all(known.text(_value(number)) == MASK for number in range(400))


def test_the_sites_own_keys_are_known_from_the_start(settings):
    from automate_governance import startup

    startup.learn_site_secrets()
    assert redactor.text(f"{settings.SECRET_KEY} {settings.AUTOMATE_SECRETS_KEYS[0]}") == f"{MASK} {MASK}"
