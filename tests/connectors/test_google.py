"""Google's services: the messages that Gmail gets, files with their descriptions, and the sign-in's scopes."""

from __future__ import annotations

import base64
import email.policy
from email.parser import BytesParser

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.declared.adapter import declare
from automate_connectors.declared.parsing import parse
from automate_connectors.registry import connectors
from automate_testing.fakes import SAMPLE_FILE, ScriptedHttp, answer, context

TOKEN = "ya29.a0-not-a-real-token"
MESSAGE = {"to": "ada@example.com", "subject": "Grüße", "text": "Hello Ada", "html": "<p>Hello <b>Ada</b></p>"}
UPLOAD = {
    "format": 1,
    "code": "files",
    "name": "Files",
    "description": "Keeps files",
    "base_url": "https://files.example.com",
    "actions": [
        {
            "name": "upload",
            "label": "Upload",
            "method": "POST",
            "path": "/upload",
            "body": "related",
            "fields": [{"name": "name"}, {"name": "file", "kind": "file", "in": "file"}],
            "sample": {},
        }
    ],
}


def sent(**params):
    http = ScriptedHttp([answer(200, {"id": "1"})])
    connectors.get("gmail").execute("send_email", {**MESSAGE, **params}, context(http, {"token": TOKEN}))
    return http.requests[0].json["raw"]


def test_an_email_has_a_text_its_html_and_files():
    mail = {"filename": "m.eml", "content_type": "message/rfc822", "text": "x"}
    attachments = [SAMPLE_FILE, {"filename": "übersicht.csv", "text": "a,b"}, mail]
    given = {"attachments": attachments, "cc": ["Grace <grace@example.com>", "bob@example.com"]}
    raw = sent(**given)
    assert raw == sent(**given), "attempts of a step send the same"
    message = BytesParser(policy=email.policy.default).parsebytes(base64.urlsafe_b64decode(raw))
    assert message["To"] == "ada@example.com" and message["Subject"] == "Grüße"
    assert [each.addr_spec for each in message["Cc"].addresses] == ["grace@example.com", "bob@example.com"]
    assert message.get_body(("plain",)).get_content().strip() == "Hello Ada"
    assert "<b>Ada</b>" in message.get_body(("html",)).get_content()
    found = [(part.get_filename(), part.get_content_type()) for part in message.iter_attachments()]
    assert found[0] == ("sample.txt", "text/plain")
    assert found[1:] == [("übersicht.csv", "text/plain"), ("m.eml", "application/octet-stream")]


@pytest.mark.parametrize(
    "params",
    [{"subject": "a\r\nBcc: eve@example.com"}, {"to": "ada@example.com\nX: y"}, {"to": ["ada"]}, {"cc": "<<>>"}],
)
def test_a_header_is_one_line_with_good_addresses(params):
    with pytest.raises(ConnectorError) as caught:
        sent(**params)
    assert caught.value.code == "invalid_input"


def test_a_preview_shows_the_message():
    shown = connectors.get("gmail").describe("send_email", MESSAGE, context(ScriptedHttp(), {"token": TOKEN}))
    raw = shown["body"]["raw"]
    assert raw == {"To": "ada@example.com", "Subject": "Grüße", "text": MESSAGE["text"], "html": MESSAGE["html"]}


def test_a_file_goes_with_its_description():
    http = ScriptedHttp([answer(200, {})])
    given = {"name": "Report", "file": {"filename": "r.txt", "text": "Good"}}
    declare(parse(UPLOAD))().execute("upload", given, context(http))
    [request] = http.requests
    kind = request.headers["Content-Type"]
    assert kind.startswith("multipart/related; boundary=")
    message = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + request.data)
    parts = [(part.get_content_type(), part.get_payload(decode=True)) for part in message.get_payload()]
    assert parts == [("application/json", b'{"name":"Report"}'), ("text/plain", b"Good")]
