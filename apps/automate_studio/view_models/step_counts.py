"""How many steps of a run are in which state, in words. Every numbered step counts once, whatever it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from django.utils.translation import ngettext

from automate_studio.view_models.run_data import LIVE_STATES
from automate_ui.formatting import format_count


def describe_counts(states: Iterable[str]) -> str:
    """`5 done, 2 active, 1 remaining`; empty without steps."""
    counts = Counter("active" if state in LIVE_STATES else state for state in states)
    words = (
        ("succeeded", ngettext("%(count)s done", "%(count)s done", counts["succeeded"])),
        ("failed", ngettext("%(count)s failed", "%(count)s failed", counts["failed"])),
        ("active", ngettext("%(count)s active", "%(count)s active", counts["active"])),
        ("cancelled", ngettext("%(count)s cancelled", "%(count)s cancelled", counts["cancelled"])),
        ("interrupted", ngettext("%(count)s interrupted", "%(count)s interrupted", counts["interrupted"])),
        ("skipped", ngettext("%(count)s skipped", "%(count)s skipped", counts["skipped"])),
        ("pending", ngettext("%(count)s remaining", "%(count)s remaining", counts["pending"])),
    )
    return ", ".join(each % {"count": format_count(counts[state])} for state, each in words if counts[state])
