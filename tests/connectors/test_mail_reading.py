"""Messages in their normal form: those of mail programs, and hostile ones within bounds of time."""

from __future__ import annotations

import base64
import time

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.mail.attachments import message_with_files
from automate_connectors.mail.message_ids import is_own_message_id, make_message_id
from automate_connectors.mail.reading import MAX_ATTACHMENTS, MessageError, read_message
from automate_testing.fakes import MemoryFiles

PDF = b"%PDF-1.7 \x00\xff"
#: As a mail program writes an answer with an inline picture, a file and a forwarded message.
ANSWER = (
    b"""Return-Path: <ada@example.com>
Received: from mail.example.com by mx.example.org; Sat, 31 Jan 2026 13:00:01 +0100
Authentication-Results: mx.example.org (a (nested) comment); spf=pass smtp.mailfrom=example.com;
 dkim=fail header.d=other.example; dkim=pass header.d=example.com; dmarc=pass (p=reject) header.from=EXAMPLE.com
Authentication-Results: mx.example.org; spf=fail
From: =?utf-8?q?Ada_L=C3=B6v?= <Ada@Example.COM>
To: "Orders, of the shop" <orders@example.org>, =?iso-8859-1?Q?J=F6rg?= <j@example.org>
Cc: undisclosed-recipients:;
Reply-To: <desk@example.com>
Subject: =?utf-8?B?UmU6IEdyw7zDn2U=?= =?utf-8?Q?_aus_K=C3=B6ln?=
Date: Sat, 31 Jan 2026 13:00:00 +0100
Message-ID: <3@example.com>
In-Reply-To: <2@example.org>
References: <1@example.com>
 <2@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

This is a message in MIME.
--outer
Content-Type: multipart/related; boundary=outer-2

--outer-2
Content-Type: multipart/alternative; boundary="in ner"

--in ner
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe=20
aus K=\r
=F6ln
--in ner
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

"""
    + base64.encodebytes(
        b'<html><head><title>t</title><style>p{}</style></head><body onload="x()"><p>Gr\xc3\xbc\xc3\x9fe<script>alert(1)'
        b'</script><a href="javascript:x">a</a><img src="cid:1" onerror="x()"></p><form><input name="p"></form></body>'
    )
    + b"""--in ner--
--outer-2
Content-Type: image/png
Content-ID: <1>
Content-Disposition: inline; filename*0*=utf-8''%2e%2e%2f; filename*1="bild.png"
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--outer-2--
--outer
Content-Type: application/pdf; name="bill.pdf"
Content-Disposition: attachment; filename="C:\\temp\\=?utf-8?q?b=C3=ADll?=.pdf"
Content-Transfer-Encoding: base64

"""
    + base64.encodebytes(PDF)
    + b"""--outer
Content-Type: message/rfc822

Subject: Inside
Content-Type: multipart/mixed; boundary=outer

--outer
--outer
Content-Type: application/ms-tnef; name="winmail.dat"

x"""
)


def test_a_message_of_a_mail_program(settings):
    settings.AUTOMATE_MAIL_TRUSTED_HOSTS = ["MX.example.org"]
    message, files = read_message(ANSWER), MemoryFiles()
    data = message_with_files(message, files.create)
    assert data["from"] == {"name": "Ada L\u00f6v", "address": "Ada@example.com"}
    assert [each["name"] for each in data["to"]] == ["Orders, of the shop", "J\u00f6rg"] and data["cc"] == []
    assert data["reply_to"] == [{"name": "", "address": "desk@example.com"}]
    assert data["subject"] == "Re: Gr\u00fc\u00dfe aus K\u00f6ln" and data["date"] == "2026-01-31T12:00:00+00:00"
    assert data["text"] == "Gr\u00fc\u00dfe \naus K\u00f6ln", repr(data["text"])
    assert "Gr\u00fc\u00dfe" in data["html"] and 'src="cid:1"' in data["html"]
    assert not any(word in data["html"] for word in ("script", "onload", "onerror", "form", "input", "style", "title"))
    assert [each["name"] for each in data["attachments"]][:2] == ["bild.png", "b\u00edll.pdf"]
    assert files.contents["file-2"] == PDF and data["attachments"][1]["type"] == "application/pdf"
    assert (data["message_id"], data["in_reply_to"]) == ("<3@example.com>", "<2@example.org>")
    assert data["references"] == ["<1@example.com>", "<2@example.org>"] and data["thread_id"] == "<1@example.com>"
    assert data["authentication"] == {"spf": "pass", "dkim": "pass", "dmarc": "pass"}
    assert data["automatic"] == [] and data["faults"] == [] and data["headers"]["mime-version"] == "1.0"
    kinds = [each["type"] for each in data["attachments"][2:]]
    assert kinds == ["message/rfc822", "application/ms-tnef"] and data["attachments"][3]["name"] == "winmail.dat"


def plain(*headers: str, body: bytes = b"Hello", sender: str = "From: a@example.com") -> bytes:
    return "\n".join([sender, *headers]).encode() + b"\n\n" + body


TEXTS = {
    "no type": (plain(), "Hello"),
    "CRLF": (plain("Subject: x").replace(b"\n", b"\r\n") + b"\r\nyou", "Hello\nyou"),
    "mbox": (b"From ada Sat Jan 31\n" + plain(), "Hello"),
    "raw UTF-8": (plain(body="Gr\u00fc\u00dfe".encode()), "Gr\u00fc\u00dfe"),
    "an unknown charset": (plain("Content-Type: text/plain; charset=nope", body="\u00fc".encode()), "\u00fc"),
    "a charset that does not fit": (plain("Content-Type: text/plain; charset=utf-8", body=b"\xfc"), "\u00fc"),
    "a slow charset": (plain("Content-Type: text/plain; charset=punycode", body=b"abc-"), "abc-"),
    "a codec that is no charset": (plain("Content-Type: text/plain; charset=zlib_codec"), "Hello"),
    "UTF-16": (plain("Content-Type: text/plain; charset=utf-16", body="\ud83d\ude00 h".encode("utf-16", "surrogatepass")), "\U0001f600 h"),
    "NUL": (plain(body=b"a\0b"), "ab"),
    "broken base64": (plain("Content-Transfer-Encoding: base64", body=b"SGVs bG8x=\n!Q"), "Hello1"),
    "HTML alone": (plain("Content-Type: text/html", body=b"<title>t</title><p>One &amp; two<br>three<p>four"), "One & two\nthree\nfour"),
    "a file as the body": (plain("Content-Type: text/plain", "Content-Disposition: attachment"), ""),
    "no end of the last part": (plain("Content-Type: multipart/mixed; boundary=b", body=b"--b\n\nHello"), "Hello"),
    "no parts": (plain("Content-Type: multipart/mixed; boundary=b", body=b"Hello"), ""),
    "an empty body": (b"Subject: x", ""),
    "a name in no charset of texts": (plain("Content-Disposition: attachment; filename*=idna'en'%C3%BC"), ""),
    "a boundary in no charset of texts": (plain("Content-Type: multipart/mixed; boundary*=undefined''b"), ""),
    "a footer of a list": (plain("Content-Type: multipart/mixed; boundary=b", body=b"--b\n\nHello\n--b\n\nfooter\n--b--\nx"), "Hello\nfooter"),
}  # fmt: skip


def test_texts_are_read():
    found = {name: read_message(content).text for name, (content, _) in TEXTS.items()}
    assert {name: text for name, text in found.items() if text != TEXTS[name][1]} == {}


FAULTS = {
    "several_senders": plain("From: b@example.com"),
    "unknown_charset": TEXTS["an unknown charset"][0],
    "damaged_text": TEXTS["a charset that does not fit"][0],
    "damaged_base64": TEXTS["broken base64"][0],
    "too_many_attachments": plain(
        "Content-Type: multipart/mixed; boundary=b", body=b"--b\nContent-Type: a/b\n\nx\n" * (MAX_ATTACHMENTS + 1)
    ),
    "too_deep": b"Subject: x\n"
    + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(25)),
    "too_many_parts": plain("Content-Type: multipart/mixed; boundary=b", body=b"--b\n\nx\n" * 100_000),
    "headers_cut": plain("x: y\n" * 500_000),
    "text_cut": plain(body=b"x" * 600_000),
}
#: What would take minutes, or gigabytes, if it were read as it is written.
SLOW = {
    "HTML in HTML": plain("Content-Type: text/html", body=b"<div>" * 100_000),
    "formats left open": plain(
        "Content-Type: text/html", body=b"".join(b"<font a=%d><p>" % number for number in range(30_000))
    ),
    "comments left open": plain("Content-Type: text/html", body=b"<!--" * 120_000),
    "tags left open": plain("Content-Type: text/html", body=b"<a " * 160_000),
    "encoded words": plain("Subject: " + "=?a?q?b" * 20_000),
    "comments of addresses": plain("To: " + "(" * 19_000, "Cc: " + "(a" * 9_000),
    "parameters": plain("Content-Type: text/plain; a=\"" + ";" * 100_000),
    "folded lines": plain("X: a" + "\n a" * 1_000_000),
    "lines like a boundary": plain("Content-Type: multipart/mixed; boundary=b", body=b"--bx\n" * 1_000_000),
}  # fmt: skip


@pytest.mark.extended
def test_faults_are_named_and_take_no_time():
    missed = [name for name, content in FAULTS.items() if name not in read_message(content).faults]
    begun = time.process_time()
    for content in SLOW.values():
        read_message(content)
    assert missed == [] and time.process_time() - begun < 20


def test_what_is_no_message_is_refused():
    for content in (b"", b"\n\nHello", b"{}", b"\xff" * 100, b"GET / HTTP/1.1\nHost: x\n\n"):
        with pytest.raises(MessageError):
            read_message(content)


SPOOFED = {
    "another server": "Authentication-Results: evil.example; dmarc=pass",
    "a server in a comment": "Authentication-Results: (mx.example.org) evil.example; dmarc=pass",
    "a longer name": "Authentication-Results: mx.example.org.evil.example; dmarc=pass",
    "another domain": "Authentication-Results: mx.example.org; dmarc=pass header.from=evil.example",
    "an unknown word": "Authentication-Results: mx.example.org; dmarc=passed",
    "below the real one": "Authentication-Results: mx.example.org; dmarc=fail\nAuthentication-Results: mx.example.org; dmarc=pass",
    "a second sender": "From: b@evil.example\nAuthentication-Results: mx.example.org; dmarc=pass header.from=example.com",
    "a result in the envelope sender": 'Authentication-Results: mx.example.org; spf=pass smtp.mailfrom="x; dmarc=pass header.from=example.com"@evil.example; dmarc=fail header.from=example.com',
    "a quote in the envelope sender": 'Authentication-Results: mx.example.org; spf=pass smtp.mailfrom="\\\"; dmarc=pass ("@evil.example; dmarc=fail header.from=example.com',
    "no domain": "Authentication-Results: mx.example.org; dmarc=pass",
    "the domain of the envelope": "Authentication-Results: mx.example.org; dmarc=pass smtp.mailfrom=example.com",
    "a pass before what failed": "Authentication-Results: mx.example.org; dmarc=pass header.from=example.com; dmarc=fail header.from=example.com",
    "a pass after what failed": "Authentication-Results: mx.example.org; dmarc=fail header.from=example.com; dmarc=pass header.from=example.com",
    "a second mailbox": "Sender: x\nAuthentication-Results: mx.example.org; spf=pass",
}  # fmt: skip


def test_spoofed_authentication_does_not_count(settings):
    settings.AUTOMATE_MAIL_TRUSTED_HOSTS = ["mx.example.org"]
    found = {name: read_message(plain(*lines.split("\n"))).authentication.dmarc for name, lines in SPOOFED.items()}
    assert {name: result for name, result in found.items() if result == "pass"} == {}
    good = "Authentication-Results: mx.example.org; dmarc=pass header.from=example.com"
    for way in (
        good,
        good.replace("example.com", '"example.com"'),
        good.replace("; ", '; spf=pass smtp.mailfrom="a b"@example.com; '),
    ):
        assert read_message(plain(way)).authentication.dmarc == "pass", way
    assert read_message(plain(good, sender="From: a@example.com, b@evil.example")).authentication.dmarc == "unknown"
    settings.AUTOMATE_MAIL_TRUSTED_HOSTS = []
    assert read_message(plain(good)).authentication.dmarc == "unknown"


AUTOMATIC = {
    "auto_submitted": "Auto-Submitted: auto-replied; owner-email=x",
    "mailing_list": "List-Id: News <news.example.com>",
    "bulk": "Precedence: Bulk",
    "bounce": "Return-Path: <>",
}


def test_automatic_messages_are_recognised(settings):
    found = {name: read_message(plain(line)).automatic for name, line in AUTOMATIC.items()}
    assert found == {name: [name] for name in AUTOMATIC}
    assert read_message(plain("Auto-Submitted: no", "Return-Path: <a@example.com>")).automatic == []
    assert read_message(plain(AUTOMATIC["mailing_list"])).list_id == "news.example.com"
    settings.DEFAULT_FROM_EMAIL = "Shop <shop@example.org>"
    own = make_message_id("a step")
    assert is_own_message_id(own) and not is_own_message_id(own.replace("example.org", "example.com"))


def test_an_attachment_that_is_not_stored_is_named():
    def create(name, content, kind):
        raise ConnectorError("no", code="file_type_mismatch")

    message = read_message(plain("Content-Type: application/pdf", "Content-Disposition: attachment; filename=a.pdf"))
    data = message_with_files(message, create)
    assert data["rejected_attachments"] == [{"name": "a.pdf", "type": "application/pdf", "code": "file_type_mismatch"}]
    assert data["attachments"] == []
