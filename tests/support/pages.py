"""Answers of the site, as elements and text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from django.urls import reverse


class Page(HTMLParser):
    """Elements by id, and all text: enough to look at a page's nodes."""

    def __init__(self, response):
        super().__init__()
        self.ids: dict[str, dict[str, str]] = {}
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.status = response.status_code
        self.feed(response.content.decode())
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        if "id" in found:
            self.ids[found["id"]] = found

    def handle_data(self, data):
        self.text += data

    def all(self, **wanted):
        return [a for _, a in self.tags if all(a.get(n.replace("_", "-").rstrip("-")) == v for n, v in wanted.items())]


def tidy(html):
    """The same without white space around tags: templates have an element a line."""
    return re.sub(r"\s*(<[^>]*?)\s*>\s*", r"\1>", " ".join(html.split()))


HOSTILE = '</pre><script>window.hacked=1</script><img src=x onerror="window.hacked=1">\u202e{{ 7*7 }}'


WEBHOOK_LIST = reverse("admin:automate_core_webhookendpoint_changelist")


def rows_of(client, url, **query):
    """The text of each row of a list."""
    found = re.findall(r"<tr>(.*?)</tr>", client.get(url, query).content.decode().partition("<tbody>")[2], re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in found]
