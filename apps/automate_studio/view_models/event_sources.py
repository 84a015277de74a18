"""Sources of events in words."""

from __future__ import annotations

from dataclasses import dataclass

from automate_governance.texts import translated
from automate_plugins import text
from automate_ui.formatting import short_id

KINDS = {
    "webhook": (text("Webhook"), "webhook"),
    "schedule": (text("Schedule"), "schedule"),
    "poll": (text("Poll"), "sync"),
    "service": (text("Service webhook"), "webhook"),
    "manual": (text("Manual"), "person"),
    "form": (text("Form"), "list_alt"),
    "mail": (text("Email"), "mail"),
    "mcp": (text("AI agent"), "smart_toy"),
    "call": (text("Sub-run call"), "account_tree"),
    "run": (text("Workflow ended"), "account_tree"),
    "model": (text("Model change"), "database"),
    "app": (text("Event from code"), "code"),
    "api": (text("Event from the API"), "api"),
    "retry": (text("Edited for a re-run"), "refresh"),
    "test": (text("Draft test"), "play_arrow"),
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


def describe_source(source: str) -> EventSource:
    """A source in words."""
    kind, _, name = source.partition(":")
    title, icon = KINDS.get(kind, (kind, "inbox"))
    return EventSource(translated(title), name if kind not in {"retry"} else short_id(name), icon)
