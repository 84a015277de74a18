"""Sources of events in words."""

from __future__ import annotations

from dataclasses import dataclass

from automate_studio.ui.formatting import short_id

KINDS = {
    "webhook": ("Webhook", "webhook"),
    "schedule": ("Schedule", "schedule"),
    "manual": ("By hand", "person"),
    "call": ("Call from a workflow", "account_tree"),
    "run": ("Workflow ended", "account_tree"),
    "model": ("Model change", "database"),
    "app": ("Code of the site", "code"),
    "retry": ("Edited for a re-run", "refresh"),
    "test": ("Test of a draft", "play_arrow"),
}


@dataclass(frozen=True)
class EventSource:
    """Source of events in words, with an icon: `Webhook`, `github`."""

    kind: str
    name: str
    icon: str

    def with_type(self, event_type: str) -> str:
        """The source and the type of one of its events: `Webhook github, push`."""
        return ", ".join(filter(None, [f"{self.kind} {self.name}".strip(), event_type]))


def describe_source(text: str) -> EventSource:
    """A source in words."""
    kind, _, name = text.partition(":")
    title, icon = KINDS.get(kind, (kind, "inbox"))
    return EventSource(title, name if kind not in {"retry"} else short_id(name), icon)
