"""What GitHub answers."""

from __future__ import annotations

ISSUE = {
    "number": 7, "title": "Broken", "state": "open", "html_url": "https://github.com/o/r/issues/7",
    "labels": [{"name": "bug"}, "old"], "assignees": [{"login": "ann"}], "body": "long",
}  # fmt: skip
