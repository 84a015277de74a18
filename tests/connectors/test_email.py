"""E-mail over a real mail server: TLS, envelope, parts, attachments, and everything that is refused."""

from __future__ import annotations

import base64
import socket

import pytest
from django.core.exceptions import ValidationError

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.email import EmailConnector
from automate_connectors.models import Connection
from tests.connectors.conftest import real_context
from tests.support.certificates import Authority
from tests.support.smtp import MailServer

mailer = EmailConnector()
PDF = b"%PDF-1.7 \x00\xff"


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def certificate(authority, tmp_path_factory):
    return authority.files(tmp_path_factory.mktemp("mail"), "mail.test", "127.0.0.1")


@pytest.fixture
def servers(certificate, settings):
    """STARTTLS, TLS from the start, and a server without TLS; all of them named as internal hosts."""
    made = {
        "starttls": MailServer(certificate),
        "tls": MailServer(certificate, at_once=True),
        "none": MailServer(),
    }
    settings.AUTOMATE_EGRESS_ALLOW = [
        f"{host}:{one.port}" for one in made.values() for host in ("127.0.0.1", "mail.test", "other.test")
    ]
    yield made
    for one in made.values():
        one.close()


@pytest.fixture(autouse=True)
def _names(monkeypatch):
    """mail.test and other.test are this machine."""
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **named: real("127.0.0.1" if str(host).endswith(".test") else host, *rest, **named),
    )


@pytest.fixture
def connection(servers, authority):
    def make(security="starttls", **change):
        return {
            "host": "mail.test", "port": servers[security].port, "security": security, "from_address": "shop@example.com",
            "authorities": authority.pem, **change,
        }  # fmt: skip

    return make


MESSAGE = {"to": "ann@example.com", "subject": "Grüße", "text": "Hello"}
LOGIN = {"username": "shop", "password": "right"}


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_a_message_arrives(servers, call, connection, security):
    params = {
        **MESSAGE, "cc": ["bob@example.com"], "bcc": "eve@example.com", "reply_to": "desk@example.com",
        "html": "<p>Hello</p>",
        "attachments": [
            {"filename": "bill.pdf", "content_type": "application/pdf", "base64": base64.b64encode(PDF).decode()},
            {"filename": "note.txt", "text": "grüß"},
        ],
    }  # fmt: skip
    login = {} if security == "none" else LOGIN
    output = call(mailer, "send", params, connection(security, from_name="The Shop", **login))
    assert output == {"to": ["ann@example.com"], "cc": ["bob@example.com"]}
    [got] = servers[security].received
    assert got.tls is (security != "none") and got.user == ("" if security == "none" else "shop")
    assert (got.sender, got.recipients) == (
        "shop@example.com",
        ["ann@example.com", "bob@example.com", "eve@example.com"],
    )
    message = got.message
    assert message["Subject"] == "Grüße" and str(message["From"]) == "The Shop <shop@example.com>"
    assert message["Bcc"] is None and message["Reply-To"] == "desk@example.com"
    assert message["X-Idempotency-Key"] == "key-of-this-step" and "@" in message["Message-ID"]
    assert message.get_body(("plain",)).get_content().strip() == "Hello"
    assert message.get_body(("html",)).get_content().strip() == "<p>Hello</p>"
    first, second = message.iter_attachments()
    assert (first.get_filename(), first.get_content_type(), first.get_content()) == ("bill.pdf", "application/pdf", PDF)
    assert second.get_content().strip() == "grüß"


def test_a_server_may_take_its_time_to_encrypt(servers, call, connection, monkeypatch):
    monkeypatch.setattr("automate_egress.answers.POLL_SECONDS", 0.1)
    servers["starttls"].handshake_pause = 0.5
    call(mailer, "send", MESSAGE, connection(**LOGIN))
    assert servers["starttls"].received[0].tls


def test_attempts_have_the_same_message_id(servers, call, connection):
    for _ in range(2):
        call(mailer, "send", MESSAGE, connection())
    first, second = servers["starttls"].received
    assert first.message["Message-ID"] == second.message["Message-ID"]


def test_html_alone_gets_a_text(servers, call, connection):
    call(mailer, "send", {"to": "a@example.com", "subject": "s", "html": "<b>Hello</b> you"}, connection())
    assert servers["starttls"].received[0].message.get_body(("plain",)).get_content().strip() == "Hello you"


def test_a_long_line_and_dots_survive(servers, call, connection):
    text = ".\n..two\n" + "x" * 5_000
    call(mailer, "send", {**MESSAGE, "text": text}, connection())
    body = servers["starttls"].received[0].message.get_body(("plain",)).get_content()
    assert body.replace("\r\n", "\n").strip() == text.strip()


def test_senders_are_those_of_the_connection(servers, call, connection):
    given = connection(senders=["Sales@example.com"])
    call(mailer, "send", {**MESSAGE, "sender": "sales@example.com"}, given)
    assert servers["starttls"].received[0].sender == "sales@example.com"
    for sender in ("ceo@example.com", "sales@example.com\r\nBcc: x@example.com"):
        with pytest.raises(ConnectorError) as caught:
            call(mailer, "send", {**MESSAGE, "sender": sender}, given)
        assert caught.value.code == "invalid_input" and "sales@example.com" in caught.value.message
    with pytest.raises(ConnectorError):  # and of the site's mailer, nobody chooses the sender
        call(mailer, "send", {**MESSAGE, "sender": "ceo@example.com"})


FILE = {"filename": "a.txt", "text": "x"}
BAD = {
    "no recipient": ({"to": []}, "between 1 and 50"),
    "too many": ({"bcc": ["a@example.com"] * 50}, "between 1 and 50"),
    "no address": ({"to": "ann"}, "not an email address"),
    "a header in an address": ({"to": "a@example.com\nBcc: x@example.com"}, "not an email address"),
    "a header in a copy": ({"cc": ["a@example.com\r\nSubject: x"]}, "not an email address"),
    "a list in an address": ({"to": "a@example.com, b@example.com"}, "not an email address"),
    "a mapping": ({"to": {"a": 1}}, "an address or a list"),
    "a number": ({"to": [7]}, "not an email address"),
    "a header in the subject": ({"subject": "Hi\nBcc: x@example.com"}, "one line"),
    "a return in the subject": ({"subject": "Hi\rBcc: x@example.com"}, "one line"),
    "a long subject": ({"subject": "x" * 1000}, "one line"),
    "no body": ({"text": ""}, "Enter a text"),
    "a huge body": ({"text": "x" * 1_000_001}, "up to 1,000,000 characters"),
    "too many files": ({"attachments": [FILE] * 11}, "up to 10 attachments"),
    "large files": ({"attachments": [{"filename": "a", "text": "x" * 4_000_000}] * 3}, "larger than 10 MB"),
    "a program": ({"attachments": [{**FILE, "filename": "bill.pdf.EXE"}]}, "is a program"),
    "a header in a file's name": ({"attachments": [{**FILE, "filename": "a\r\nX: b"}]}, "attachments[0].filename"),
    "a path": ({"attachments": [{**FILE, "filename": "../a"}]}, "attachments[0].filename"),
    "a header in a file's type": ({"attachments": [{**FILE, "content_type": "text/plain\r\nX: b"}]}, "content_type"),
    "bad base64": ({"attachments": [{"filename": "a", "base64": "?"}]}, "not valid base64"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_message_is_refused(servers, call, connection, kind):
    change, reason = BAD[kind]
    with pytest.raises(ConnectorError) as caught:
        call(mailer, "send", {**MESSAGE, **change}, connection())
    assert caught.value.code == "invalid_input" and reason in caught.value.message
    assert not servers["starttls"].commands


NAMES = [
    "a.exe.",
    "a.exe .",
    "a.\uff45\uff58\uff45",
    "a.ex\u200be",
    "a.Exe\u202e",
    "a.exe\t",
    "a.J\u017f",
    "a.exe\u00a0",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_program_is_known_however_its_name_is_written(servers, call, connection, name):
    with pytest.raises(ConnectorError, match="is a program"):
        call(mailer, "send", {**MESSAGE, "attachments": [{**FILE, "filename": name}]}, connection())
    harmless = {**FILE, "filename": "R\u00e9sum\u00e9 2.exe.pdf"}
    assert call(mailer, "send", {**MESSAGE, "attachments": [harmless]}, connection())


def test_no_header_comes_in_by_the_name_of_the_sender(servers, call, connection):
    with pytest.raises(ConnectorError):
        call(mailer, "send", MESSAGE, connection(from_name="Shop\r\nBcc: x@example.com"))
    call(mailer, "send", MESSAGE, connection(from_name='Shop" <x@example.com>, "y'))
    [got] = servers["starttls"].received
    assert got.sender == "shop@example.com" and [a.addr_spec for a in got.message["From"].addresses] == [
        "shop@example.com"
    ]


@pytest.mark.parametrize(
    ("command", "reply", "code", "retryable"),
    [
        ("RCPT", "550 5.1.1 nobody here", "mail_failed", False),
        ("RCPT", "451 4.7.1 come again", "mail_failed", True),
        ("MAIL", "553 not from you", "mail_failed", False),
        ("DATA", "421 4.3.2 closing", "mail_failed", True),
        ("AUTH", "535 5.7.8 wrong", "authentication_failed", False),
        ("EHLO", "500 what", "mail_failed", False),
        ("MAIL", 0.0, "connection_failed", True),
    ],
)
def test_refusals_say_whether_to_try_again(servers, call, connection, command, reply, code, retryable):
    servers["starttls"].replies = {command: reply}
    with pytest.raises(ConnectorError) as caught:
        call(mailer, "send", MESSAGE, connection(**LOGIN))
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    assert "mail.test" in caught.value.message and "right" not in caught.value.message


def test_some_recipients_may_be_refused(servers, call, connection):
    servers["starttls"].replies = {"RCPT TO:<bob": "550 nobody here"}
    output = call(mailer, "send", {**MESSAGE, "cc": ["bob@example.com"]}, connection())
    assert output["refused"] == {"bob@example.com": "550 nobody here"}
    assert servers["starttls"].received[0].recipients == ["ann@example.com"]


# --- the connection ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_names_and_authorities_are_verified(servers, call, connection, security):
    for change in ({"authorities": ""}, {"host": "other.test"}):
        with pytest.raises(ConnectorError) as caught:
            call(mailer, "send", MESSAGE, connection(security, **change, **LOGIN))
        assert caught.value.code == "untrusted_certificate" and not caught.value.retryable
        assert "is not trusted: " in caught.value.message
    assert not servers[security].received
    assert not any(command.upper().startswith("AUTH") for command in servers[security].commands)


def test_a_server_without_tls_is_not_spoken_to_in_the_clear(servers, call, connection):
    with pytest.raises(ConnectorError, match="does not support a required feature"):
        call(mailer, "send", MESSAGE, {**connection(), "port": servers["none"].port, **LOGIN})
    assert not any(command.upper().startswith(("AUTH", "MAIL")) for command in servers["none"].commands)


def test_without_tls_only_internal_hosts(servers, call, connection, settings):
    settings.AUTOMATE_EGRESS_ALLOW = []
    with pytest.raises(ConnectorError, match="requires TLS") as caught:
        call(mailer, "send", MESSAGE, connection("none"))
    assert caught.value.code == "egress_blocked"
    with pytest.raises(ConnectorError) as caught:  # nor at all on a private address
        call(mailer, "send", MESSAGE, connection(port=587))
    assert caught.value.code == "egress_blocked" and "127.0" not in caught.value.message


@pytest.mark.parametrize(
    ("host", "port"), [("169.254.169.254", 587), ("10.0.0.1", 25), ("mail.test", 22), ("a/b", 587)]
)
def test_mail_passes_the_address_check(servers, call, connection, host, port, settings):
    settings.AUTOMATE_EGRESS_ALLOW = []
    with pytest.raises(ConnectorError) as caught:
        call(mailer, "send", MESSAGE, connection(host=host, port=port))
    assert caught.value.code == "egress_blocked"


def test_credentials_stay_with_their_host(servers, call, connection):
    with pytest.raises(ConnectorError, match="cannot be used for"):
        call(mailer, "send", MESSAGE, connection(**LOGIN), bound_hosts=["smtp.example.com"])
    assert not servers["starttls"].commands


def test_a_silent_server_ends_with_the_step(servers, call, connection):
    servers["starttls"].replies = {"MAIL": 60.0}
    with pytest.raises(ConnectorError) as caught:
        call(mailer, "send", MESSAGE, connection(), seconds=0.6)
    assert caught.value.retryable and caught.value.code == "timeout"


def test_a_connection_is_tested_by_signing_in(servers, connection):
    assert mailer.check_connection(real_context(connection(**LOGIN))) == "Signed in to mail.test as shop."
    assert not servers["starttls"].received and "NOOP" in {c.upper() for c in servers["starttls"].commands}
    with pytest.raises(ConnectorError) as caught:
        mailer.check_connection(real_context(connection(username="shop", password="wrong")))
    assert caught.value.code == "needs_reconnect"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"from_address": "nobody"}, "not an email address"),
        ({"senders": ["x"]}, "not an email address"),
        ({"username": "u"}, "both a username and a password"),
        ({"username": "u", "password": "env:MAIL", "security": "none"}, "requires encryption"),
    ],
)
def test_a_configuration_is_checked(change, reason, owner):
    config = {"host": "smtp.example.com", "from_address": "a@example.com", **change}
    with pytest.raises(ValidationError, match=reason):
        Connection(name="M", slug="m", connector="email", owner=owner, config=config).full_clean()


def test_its_host_is_where_its_secrets_go(owner):
    config = {"host": "smtp.example.com", "from_address": "a@example.com", "username": "u", "password": "env:MAIL"}
    made = Connection(name="M", slug="m", connector="email", owner=owner, config=config)
    made.full_clean()
    assert made.hosts() == ["smtp.example.com"]
