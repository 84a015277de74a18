"""The inbox and the pages of events."""

from __future__ import annotations

from html.parser import HTMLParser

from django.urls import reverse

INBOX = reverse("admin:automate_core_event_changelist")


class EventPage(HTMLParser):
    """The rows, links and text of an answer."""

    def __init__(self, answer):
        super().__init__()
        self.status, self.html = answer.status_code, answer.content.decode()
        self.tags, self.text = [], ""
        self.feed(self.html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data):
        self.text += f" {data}"

    @property
    def events(self):
        return [a["id"].removeprefix("event-") for _, a in self.tags if a.get("id", "").startswith("event-")]

    @property
    def explanations(self):
        return [a["data-outcome"] for _, a in self.tags if "data-outcome" in a]

    def links(self, name):
        return [a["href"] for _, a in self.tags if a.get("rel") == name]


def event_address(event):
    return reverse("admin:automate_core_event_change", args=[event])
