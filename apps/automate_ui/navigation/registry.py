"""Registry of what the apps offer in the sidebar, the user menu, the command palette and the help.

An app registers in `AppConfig.ready()`; the studio draws what is registered. So apps that do not import each other
share one sidebar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import models
from django.urls import NoReverseMatch
from django.utils.translation import gettext_lazy as _

from automate_governance.admin_site import admin_site, reverse
from automate_governance.permissions import User

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise


class Section(models.TextChoices):
    """Sections of the sidebar, in their order."""

    AUTOMATE = "automate", _("Automate")
    CONNECT = "connect", _("Connect")
    OPERATE = "operate", _("Operate")
    ADMINISTRATION = "administration", _("Administration")


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link to a view without arguments, for people for whom `may_open` is true.

    The title is a lazy translation: it is shown in the language of the request. The icon is a Material
    Symbol; the user menu shows none.
    """

    title: str | StrPromise
    view: str | Callable[[], str]  #: its name, or a function that returns the name by the settings
    may_open: Callable[[User], bool]
    icon: str

    @property
    def view_name(self) -> str:
        """Name of the view."""
        return self.view if isinstance(self.view, str) else self.view()

    @property
    def url(self) -> str:
        """URL of the view. Raises NoReverseMatch."""
        return reverse(self.view_name)

    @property
    def is_available(self) -> bool:
        """Whether the project includes the view's URL."""
        try:
            return bool(self.url)
        except NoReverseMatch:
            return False


@dataclass(frozen=True, kw_only=True)
class Page(Link):
    """A page of the sidebar.

    `position` orders the pages of a section; those of the studio are 10, 20 and so on. `model` is set for the admin's
    list of a model, which a project's admin need not have. `badge` returns a short text beside the title, such as the
    number of open tasks.
    """

    section: Section
    position: int
    model: type[models.Model] | None = None
    badge: Callable[[User], str] | None = None

    @property
    def is_available(self) -> bool:
        """Whether the project has the page."""
        return (self.model is None or admin_site().is_registered(self.model)) and super().is_available


type _View = str | Callable[[], str]
_pages: dict[_View, Page] = {}
_commands: dict[_View, Link] = {}
_account_links: dict[_View, Link] = {}
_help_topics: dict[str, str] = {}


def register(
    *,
    pages: Iterable[Page] = (),
    commands: Iterable[Link] = (),
    account_links: Iterable[Link] = (),
    help_topics: Mapping[str, str] | None = None,
) -> None:
    """Add pages to the sidebar, commands to the palette and links to the user menu.

    `help_topics` maps the beginning of a view's name (`studio:builder`) to a page of the help (`drafts`); the longest
    beginning counts. Names in the admin begin with `admin:`. A later registration of a view replaces the earlier one.
    """
    _pages.update({page.view: page for page in pages})
    _commands.update({link.view: link for link in commands})
    _account_links.update({link.view: link for link in account_links})
    _help_topics.update(help_topics or {})


def sections() -> list[tuple[Section, list[Page]]]:
    """Sections with the pages that the project has, for all people."""
    found = sorted(_pages.values(), key=lambda page: page.position)
    return [(section, [page for page in found if page.section is section and page.is_available]) for section in Section]


def commands_for(user: User) -> list[Link]:
    """Commands of the palette that the person may run."""
    return _permitted(_commands, user)


def account_links_for(user: User) -> list[Link]:
    """Links of the user menu that the person may open."""
    return _permitted(_account_links, user)


def help_topic(view_name: str) -> str:
    """Page of the help about a view; empty for a view without one."""
    begun = [begin for begin in _help_topics if view_name.startswith(begin)]
    return _help_topics[max(begun, key=len)] if begun else ""


def _permitted(links: Mapping[_View, Link], user: User) -> list[Link]:
    return [link for link in links.values() if link.is_available and link.may_open(user)]
