"""The studio's own data among what is searched for personal data."""

from __future__ import annotations

from automate_operations.erasure.data_kinds import emptied
from automate_operations.erasure.sources import Kind, Source, register_kind
from automate_plugins import ntext, text
from automate_studio.models import ChosenSample, SavedView


def register_erasure() -> None:
    """Register the edited samples of drafts, and the saved views."""
    register_kind(
        Kind(
            name="edited_sample",
            counted=lambda count: ntext("%(count)s edited sample", "%(count)s edited samples", count),
            action=text("They are emptied."),
            erase=emptied(ChosenSample, edited=None),
        ),
        Source(model=ChosenSample, columns=("edited",), kind="edited_sample"),
    )
    register_kind(
        Kind(
            name="view",
            counted=lambda count: ntext("%(count)s saved view", "%(count)s saved views", count),
            action=text("Its owner has to delete the saved view."),
        ),
        Source(model=SavedView, columns=("name", "query"), kind="view"),
    )
