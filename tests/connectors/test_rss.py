"""RSS: feeds of three formats, hostile documents, conditional requests, and the contract of its poll."""

from __future__ import annotations

import datetime as dt

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.rss import RssConnector, read_feed
from automate_egress import HttpResponse
from automate_testing.contracts import PollContractTest, PollSource
from automate_testing.fakes import ScriptedHttp, context
from tests.connectors.conftest import real_context

rss = RssConnector()

RSS = """<?xml version="1.0" encoding="ISO-8859-1"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>Caf\u00e9 news</title><link>https://news.example.com/</link>
<item><title>Second</title><link>/2</link><guid isPermaLink="false">n-2</guid><category>a</category><category>b</category>
<pubDate>Sat, 31 Jan 2026 13:00:00 +0100</pubDate><dc:creator>Ada</dc:creator><description>&lt;p&gt;Two&lt;/p&gt;</description>
<content:encoded><![CDATA[<p>All of two</p>]]></content:encoded><enclosure url="/2.mp3" type="audio/mpeg" length="1"/></item>
<item><title>First</title><link>https://news.example.com/1</link><pubDate>not a date</pubDate></item>
</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Blog</title><link rel="self" href="/feed"/><link href="/"/>
<entry><id>tag:1</id><title type="html">One</title><updated>2026-01-31T12:00:00Z</updated><link rel="enclosure"
href="/1.pdf" type="application/pdf"/><link href="/1"/><author><name>Bo</name></author><category term="x"/>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">In <b>full</b></div></content></entry></feed>"""
RDF = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Old</title><link>https://old.example.com</link></channel>
<item><title>Third</title><link>https://old.example.com/3</link><dc:date>2026-01-31</dc:date></item></rdf:RDF>"""


def response(document, encoding="utf-8"):
    return HttpResponse(status=200, body=document.encode(encoding), url="https://news.example.com/feed.xml")


def test_three_formats_are_read():
    feed = read_feed(response(RSS, "iso-8859-1"), context())
    assert (feed.title, feed.url) == ("Caf\u00e9 news", "https://news.example.com/")
    second, first = feed.items
    assert second == {
        "id": "n-2", "title": "Second", "url": "https://news.example.com/2", "published": "2026-01-31T12:00:00+00:00",
        "author": "Ada", "summary": "<p>Two</p>", "content": "<p>All of two</p>", "categories": ["a", "b"],
        "files": [{"url": "https://news.example.com/2.mp3", "type": "audio/mpeg"}], "feed": "Caf\u00e9 news",
    }  # fmt: skip
    assert first["id"] == "https://news.example.com/1" and first["published"] == ""
    [entry] = read_feed(response(ATOM), context()).items
    assert (entry["id"], entry["url"], entry["author"]) == ("tag:1", "https://news.example.com/1", "Bo")
    assert entry["content"] == "In full" and entry["published"] == "2026-01-31T12:00:00+00:00"
    assert entry["files"] == [{"url": "https://news.example.com/1.pdf", "type": "application/pdf"}]
    [third] = read_feed(response(RDF), context()).items
    assert (third["id"], third["published"]) == ("https://old.example.com/3", "2026-01-31T00:00:00+00:00")


HOSTILE = {
    "bomb": '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><rss><channel><title>&d;</title></channel></rss>',
    "file": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><rss><channel><title>&b;</title></channel></rss>',
    "deep": "<rss>" + "<a>" * 5_000 + "</a>" * 5_000 + "</rss>",
    "cut off": "<rss><channel><title>",
    "a page": "<!doctype html><html><body>Hello</body></html>",
    "JSON": '{"items": []}',
    "another document": "<opml><body/></opml>",
    "nothing": "",
    "a charset that is none": '<?xml version="1.0" encoding="nope"?><rss/>',
}


def test_what_is_no_feed_is_refused():
    accepted = []
    for name, document in HOSTILE.items():
        try:
            read_feed(response(document), context())
            accepted.append(name)
        except ConnectorError as error:
            if error.code != "not_a_feed" or error.retryable:
                accepted.append(f"{name}: {error.code}")
    assert accepted == []


def test_an_unchanged_feed_is_not_sent_again(server):
    def reply(asked):
        if asked.headers.get("if-none-match") == '"one"':
            return 304, b"", {}
        return 200, RSS.encode("iso-8859-1"), {"ETag": '"one"', "Last-Modified": "Sat, 31 Jan 2026 12:00:00 GMT"}

    server.answer = reply
    params = {"url": f"{server.url}/feed.xml"}
    first = rss.poll("new_item", params, None, real_context())
    assert [item.id for item in first.items] == ["https://news.example.com/1", "n-2"], "the oldest first"
    again = rss.poll("new_item", params, first.cursor, real_context())
    assert again.items == () and again.cursor == first.cursor
    assert server.asked[-1].headers["if-modified-since"] == "Sat, 31 Jan 2026 12:00:00 GMT"
    found = rss.execute("read_feed", {"url": f"{server.url}/feed.xml", "limit": 1}, real_context())
    assert [item["id"] for item in found["items"]] == ["n-2"] and found["title"] == "Caf\u00e9 news"


class Feed(PollSource):
    """A feed of everything, the newest first, with an ETag."""

    params = {"url": "https://news.example.com/feed.xml"}
    late = dt.timedelta(hours=1)

    def __init__(self):
        self.items = []

    def add(self, number, at):
        self.items.append((number, at))

    def context(self):
        return context(_FeedServer(self))


class _FeedServer(ScriptedHttp):
    def __init__(self, feed):
        super().__init__()
        self.feed = feed

    def request(self, method, url, *, headers=None, **more):
        etag = f'"{len(self.feed.items)}"'
        if (headers or {}).get("If-None-Match") == etag:
            return HttpResponse(status=304, url=url)
        items = "".join(
            f"<item><guid>{number}</guid><title>Item {number}</title><pubDate>{at:%a, %d %b %Y %H:%M:%S} +0000</pubDate></item>"
            for number, at in reversed(self.feed.items)
        )
        document = f"<rss><channel><title>Feed</title>{items}</channel></rss>"
        return HttpResponse(status=200, headers={"etag": etag}, body=document.encode(), url=url)


class TestRssPolls(PollContractTest):
    adapter_cls = RssConnector
    poll_sources = {"new_item": Feed}


@pytest.mark.parametrize("status", [404, 503])
def test_a_feed_that_is_not_there_says_so(server, status):
    server.answer = lambda asked: (status, b"", {"Retry-After": "7"})
    with pytest.raises(ConnectorError, match=f"HTTP {status}") as caught:
        rss.poll("new_item", {"url": f"{server.url}/feed.xml"}, {"etag": '"one"'}, real_context())
    assert caught.value.retryable == (status == 503) and caught.value.retry_after == 7
