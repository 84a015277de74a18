"""Entries of the API in the sidebar, the command palette, the user menu and the help."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from automate_api.tokens.service_accounts import may_read_all
from automate_governance.permissions import SITE, User, can
from automate_ui.navigation import registry
from automate_ui.navigation.registry import Link, Page, Section


def register_pages() -> None:
    """Register the screens. They are shown where the project includes their URLs."""
    registry.register(
        pages=[
            Page(
                section=Section.CONNECT,
                position=40,
                title=_("API tokens"),
                icon="token",
                view="api_screens:token_list",
                may_open=_may_have_tokens,
            ),
            Page(
                section=Section.ADMINISTRATION,
                position=25,
                title=_("Service accounts"),
                icon="smart_toy",
                view="api_screens:account_list",
                may_open=may_read_all,
            ),
        ],
        commands=[
            Link(title=_("New API token"), view="api_screens:token_new", icon="add", may_open=_may_have_tokens),
            Link(title=_("API reference"), view="api_screens:reference", icon="code", may_open=_may_have_tokens),
            Link(title=_("All API tokens"), view="api_screens:all_tokens", icon="token", may_open=may_read_all),
            Link(title=_("New service account"), view="api_screens:account_new", icon="add", may_open=_administers),
        ],
        account_links=[
            Link(title=_("API tokens"), view="api_screens:token_list", icon="token", may_open=_may_have_tokens)
        ],
        help_topics={"api_screens:": "tokens", "api_screens:reference": "api"},
    )


def _may_have_tokens(user: User) -> bool:
    """Whether the user may sign in to the admin."""
    return user.is_active and user.is_staff


def _administers(user: User) -> bool:
    return can(user, "administer", SITE)
