"""S3: published signatures, a service on loopback that checks each request, moto's where it is installed, and the poll."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import time
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.s3 import S3Connector
from automate_connectors.adapters.s3.client import S3Client
from automate_connectors.adapters.s3.polls import find_new_objects, page_query
from automate_connectors.adapters.s3.signing import Signer
from automate_connectors.polling.calls import MAX_CURSOR_BYTES
from automate_egress import HttpResponse
from automate_testing.contracts import PollContractTest, PollSource
from automate_testing.fakes import ScriptedHttp, context
from tests.connectors.conftest import real_context
from tests.support.s3 import Store

s3 = S3Connector()
ACCOUNT = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
SIGNER = Signer(access_key=ACCOUNT["access_key_id"], secret_key=ACCOUNT["secret_access_key"], region="us-east-1")
AT = dt.datetime(2013, 5, 24, tzinfo=dt.UTC)
HOST = "https://examplebucket.s3.amazonaws.com"
DATE = {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}
#: The examples of https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
PUBLISHED = {
    ("GET", "/test.txt", "Range: bytes=0-9", b""): "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ("PUT", "/test%24file.text", "", b"Welcome to Amazon S3."): (
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    ),
    ("GET", "/?lifecycle=", "", b""): "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ("GET", "/?max-keys=2&prefix=J", "", b""): "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
}


def test_signatures_are_the_published_ones():
    found = {}
    for key in PUBLISHED:
        method, path, header, body = key
        headers = DATE if method == "PUT" else dict([header.split(": ")]) if header else {}
        signed = SIGNER.sign_headers(method, f"{HOST}{path}", headers, body, at=AT)
        found[key] = signed["Authorization"].rpartition("Signature=")[2]
    assert found == PUBLISHED
    link = SIGNER.sign_url("GET", f"{HOST}/test.txt", {}, seconds=86_400, at=AT)
    assert parse_qs(urlsplit(link).query)["X-Amz-Signature"] == [
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    ]  # https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html


@pytest.fixture
def store(server):
    made = Store(SIGNER)
    server.answer = made.answer
    made.put("things", "start.txt", b"here")
    made.connection = {**ACCOUNT, "base_url": server.url, "bucket": "things"}
    return made


ODD_KEYS = ["a b/c+d.txt", "ü%20/ß.txt", "//x", "a=b&c?d#e", "~(x)!'*.txt", "tab\there"]


def test_objects_of_any_name_come_and_go(store, call):
    assert s3.check_connection(real_context(store.connection)) == "The bucket things can be read."
    for key in ODD_KEYS:
        given = {"key": key, "text": f"It is {key}", "metadata": {"Order": 17}}
        assert call(s3, "put_object", given, store.connection)["etag"] == "e"
        found = call(s3, "get_object", {"key": key}, store.connection)
        assert found["file"]["size"] == len(f"It is {key}".encode()) and found["metadata"] == {"order": "17"}
    listed = call(s3, "list_objects", {"recursive": True}, store.connection)
    assert {each["key"] for each in listed["objects"]} == {*ODD_KEYS, "start.txt"} and listed["complete"]
    call(s3, "copy_object", {"key": "a b/c+d.txt", "to_key": "copy"}, store.connection)
    assert call(s3, "head_object", {"key": "copy"}, store.connection)["modified"] == "2026-01-31T12:00:00+00:00"
    call(s3, "delete_object", {"key": "copy"}, store.connection)
    listed = call(s3, "list_objects", {}, store.connection)
    assert (listed["folders"], [each["key"] for each in listed["objects"]]) == (
        ["/", "a b/", "ü%20/"],
        ["a=b&c?d#e", "start.txt", "tab\there", "~(x)!'*.txt"],
    )
    assert call(s3, "list_buckets", {}, store.connection) == {"buckets": [{"name": "things", "created": ""}]}


def test_lists_come_in_pages_up_to_a_limit(store, call, server):
    for number in range(2_100):
        store.put("things", f"n/{number:05}", b"")
    listed = call(s3, "list_objects", {"prefix": "n/", "max_objects": 2_050}, store.connection)
    assert len({each["key"] for each in listed["objects"]}) == 2_050 and not listed["complete"]
    assert [each.query["max-keys"] for each in server.asked] == [["1000"], ["1000"], ["50"]]
    listed = call(s3, "list_objects", {"prefix": "n/", "max_objects": 10_000}, store.connection)
    assert len(listed["objects"]) == 2_100 and listed["complete"]


REFUSALS = [
    ({"bucket": "nope"}, "get_object", {"key": "x"}, "http_404", "Check the name of the bucket"),
    ({}, "get_object", {"key": "nope"}, "http_404", "no object with this key"),
    ({}, "head_object", {"key": "nope"}, "http_404", "no object with this key"),
    ({}, "copy_object", {"key": "nope", "to_key": "x"}, "http_200", "no object with this key"),
    ({"secret_access_key": "wrong"}, "get_object", {"key": "start.txt"}, "authentication_failed", "access key ID"),
    ({"secret_access_key": ""}, "get_object", {"key": "start.txt"}, "authentication_failed", "no access key"),
    ({"bucket": ""}, "get_object", {"key": "x"}, "invalid_input", "Enter a bucket"),
    ({}, "get_object", {"key": "a/../b"}, "invalid_input", "part that is"),
    ({}, "get_object", {"key": "ü" * 513}, "invalid_input", "1024 bytes"),
    ({}, "get_object", {"key": ""}, "invalid_input", "key is required"),
    ({}, "head_object", {"key": "/"}, "invalid_input", "key is required"),
    ({}, "delete_object", {"key": ""}, "invalid_input", "key is required"),
    ({}, "delete_object", {"key": "//"}, "invalid_input", "key is required"),
    ({}, "create_link", {"key": ""}, "invalid_input", "key is required"),
    ({}, "put_object", {"key": "", "text": "t"}, "invalid_input", "key is required"),
    ({}, "copy_object", {"key": "start.txt", "to_key": ""}, "invalid_input", "key is required"),
    ({"bucket": ".."}, "get_object", {"key": "x"}, "invalid_input", "valid name"),
    ({}, "put_object", {"key": "x"}, "invalid_input", "file or a text"),
    ({}, "put_object", {"key": "x", "text": "t", "metadata": {"a": "ü"}}, "invalid_input", "ASCII"),
    ({}, "put_object", {"key": "x", "text": "t", "content_type": "a\r\nb: c"}, "invalid_input", "ASCII"),
    ({}, "create_link", {"key": "start.txt", "seconds": 604_801}, "invalid_input", "between 1 and 604,800"),
    ({}, "create_link", {"key": "nope"}, "http_404", "no object with this key"),
    ({"session_token": "t"}, "create_link", {"key": "start.txt"}, "invalid_input", "without a session token"),
    ({}, "list_objects", {"max_objects": 10_001}, "invalid_input", "between 1 and 10,000"),
]


def test_refusals_name_the_fault(store, call):
    missed = []
    for change, action, params, code, said in REFUSALS:
        try:
            call(s3, action, params, {**store.connection, **change})
            missed.append((action, params))
        except ConnectorError as error:
            if error.code != code or said not in error.message or error.retryable:
                missed.append((action, params, error.code, error.message))
    assert missed == []


def test_a_redirect_is_not_followed_and_what_is_no_s3_service_says_so(server, call):
    connection = {**ACCOUNT, "base_url": server.url, "bucket": "things"}
    server.answer = lambda asked: (307, b"", {"Location": "https://elsewhere.example.com/"})
    with pytest.raises(ConnectorError, match="HTTP 307"):
        call(s3, "get_object", {"key": "x"}, connection)
    assert len(server.asked) == 1
    bomb = b'<!DOCTYPE a [<!ENTITY b "c">]><ListBucketResult>&b;</ListBucketResult>'
    for body in (b"<html></html>", b"", b"{}", bomb):
        server.answer = lambda asked, body=body: (200, body, {})
        with pytest.raises(ConnectorError) as caught:
            call(s3, "list_objects", {}, connection)
        assert caught.value.code == "invalid_answer"
    assert s3.own_hosts({"region": "eu-central-1"}) == ("s3.eu-central-1.amazonaws.com",)
    with pytest.raises(ValueError, match="lowercase"):
        s3.validate_config({"region": "evil.example/"})


class Objects(PollSource):
    """A bucket, whose objects may be listed half an hour after their time."""

    params = {"prefix": "in/", "ending": ".pdf"}
    connection = {**ACCOUNT, "bucket": "things"}
    late = dt.timedelta(minutes=30)

    def __init__(self):
        self.store = Store(SIGNER)

    def add(self, number, at):
        self.store.put("things", f"in/{number % 7}-{number:04}.pdf", b"x" * number, at)

    def context(self):
        return context(_Listing(self.store), dict(self.connection))


class _Listing(ScriptedHttp):
    def __init__(self, store):
        super().__init__()
        self.store = store

    def request(self, method, url, **more):
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        return HttpResponse(status=200, body=self.store.listing("things", query), url=url)


class TestS3Polls(PollContractTest):
    adapter_cls = S3Connector
    poll_sources = {"new_object": Objects}


def test_a_poll_passes_over_folders_and_other_endings():
    source = Objects()
    for key in ("in/", "in/a.txt", "in/b.pdf", "out/c.pdf"):
        source.store.put("things", key, b"")
    [found] = s3.poll("new_object", source.params, None, source.context()).items
    assert (found.data["key"], found.data["name"]) == ("in/b.pdf", "b.pdf")


def test_a_round_of_hours_loses_nothing():
    source = Objects()
    client, begin = S3Client(source.connection, source.context()), source.store.now

    def poll(cursor, hours):
        def list_page(after):
            return client.list_page("things", **page_query("in/", after))

        return find_new_objects(list_page, "", cursor, begin + dt.timedelta(hours=hours))

    for number in range(501):
        source.store.put("things", f"in/{number:03}.pdf", b"", begin)
    first = poll(None, 0)
    source.store.put("things", "in/000-behind.pdf", b"", begin + dt.timedelta(minutes=1))
    source.store.put("things", "in/999-ahead.pdf", b"", begin + dt.timedelta(hours=3))
    second = poll(first.cursor, 3)
    third = poll(second.cursor, 4)
    assert first.more and not second.more
    assert "in/000-behind.pdf" in {item.data["key"] for item in third.items}


def test_a_poll_goes_through_all_pages_of_a_long_list():
    source, found, cursor, calls = Objects(), [], None, 0
    for number in range(1_200):
        source.add(number, source.store.now - dt.timedelta(hours=number % 3))
    for round_number in range(2):
        more = True
        while more:
            result = s3.poll("new_object", source.params, cursor, source.context())
            found += [(round_number, item.data["key"]) for item in result.items]
            cursor, more, calls = result.cursor, result.more, calls + 1
        source.store.put("things", "in/0-late.pdf", b"", source.store.now - dt.timedelta(minutes=59))
    assert calls == 5 and (1, "in/0-late.pdf") in found and (0, "in/0-late.pdf") not in found
    assert [key for number, key in found if number] == ["in/0-late.pdf"], "the others of the last hour are known"


@pytest.mark.matrix
@pytest.mark.parametrize("number", [2_500, 4_200])
def test_thousands_of_objects_of_the_hour_before_do_not_come_as_new(number):
    """More than the platform remembers, and more than the cursor holds."""
    source, cursor = Objects(), None
    end = source.store.now
    for each in range(number):
        source.add(each, end - dt.timedelta(seconds=each * 3_500 // number))
    source.store.put("things", "in/old.pdf", b"", end - dt.timedelta(minutes=1))
    rounds = []
    for extra in ("", "in/0-new.pdf", ""):
        if extra:
            source.store.put("things", extra, b"", end + dt.timedelta(seconds=1))
        found, more = [], True
        while more:
            result = s3.poll("new_object", source.params, cursor, source.context())
            found += [item.data["key"] for item in result.items]
            cursor, more = result.cursor, result.more
            assert len(json.dumps(cursor)) < MAX_CURSOR_BYTES
        rounds.append(found)
    assert len(rounds[0]) == number + 1 and rounds[1:] == [["in/0-new.pdf"], []]


# --- moto's server ----------------------------------------------------------------------------------------------------


@pytest.fixture
def moto(settings, tmp_path):
    """moto's S3 server: `uv tool install 'moto[s3,server]'`."""
    program = shutil.which("moto_server")
    if program is None:
        pytest.skip("moto_server is not installed")
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen([program, "-H", "127.0.0.1", "-p", "0"], stdout=log, stderr=log)
    try:
        for _ in range(600):
            if "http://127.0.0.1:" in (written := (tmp_path / "log").read_text()):
                break
            time.sleep(0.1)
        host = written.partition("http://")[2].split()[0]
        settings.AUTOMATE_EGRESS_ALLOW = [host]
        yield SimpleNamespace(url=f"http://{host}")
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.extended
def test_motos_server_takes_all_of_it(moto, call):
    connection = {**ACCOUNT, "base_url": moto.url, "bucket": "things"}
    urlopen(Request(f"{moto.url}/things", method="PUT")).close()
    for key in ODD_KEYS:
        call(s3, "put_object", {"key": key, "text": key, "metadata": {"a": "b"}}, connection)
        found = call(s3, "get_object", {"key": key}, connection)
        assert found["size"] == len(key.encode()) and found["metadata"] == {"a": "b"}
    call(s3, "copy_object", {"key": "a b/c+d.txt", "to_key": "copy"}, connection)
    listed = call(s3, "list_objects", {"recursive": True}, connection)
    assert {each["key"] for each in listed["objects"]} == {*ODD_KEYS, "copy"}
    assert call(s3, "list_objects", {}, connection)["folders"] == ["/", "a b/", "ü%20/"]
    link = call(s3, "create_link", {"key": "copy", "filename": "Ä b.txt"}, connection)["url"]
    with urlopen(link) as answer:
        assert answer.read() == b"a b/c+d.txt"
    call(s3, "delete_object", {"key": "copy"}, connection)
    assert s3.check_connection(real_context(connection)) == "The bucket things can be read."
    polled = s3.poll("new_object", {"prefix": "ü"}, None, real_context(connection))
    assert [item.data["key"] for item in polled.items] == ["ü%20/ß.txt"]
