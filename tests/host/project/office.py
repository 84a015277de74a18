"""An admin of the project's own, beside Django's."""

from __future__ import annotations

from unfold.sites import UnfoldAdminSite


class OfficeSite(UnfoldAdminSite):
    """With a name and an address of its own."""


site = OfficeSite(name="office")
