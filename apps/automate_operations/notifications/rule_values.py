"""Values of notification rules, incidents that they report, and the targets of their messages."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from automate_core.models import Workflow
from automate_core.models.notifications import DEFAULT_WINDOW
from automate_governance.permissions import SITE, Person, can
from automate_operations.notifications.texts import Fact


@dataclass(frozen=True, kw_only=True)
class Incident:
    """An incident that a rule reports once: `key` identifies it. `owner` is the person responsible."""

    key: str
    fact: Fact
    at: dt.datetime
    workflow: Workflow | None = None
    owner: Person | None = None


@dataclass(frozen=True)
class Target:
    """A target of messages: an address, and its person if it has one."""

    name: str
    person: Person | None = None


@dataclass(frozen=True, kw_only=True)
class RuleValues:
    """The values of a rule; of polls, `failures` are intervals.

    `people` are user names; an empty `secret` keeps the present one, or generates one. `config` holds the settings of a
    plug-in's channel.
    """

    kind: str
    channel: str
    failures: int | None = None
    span: dt.timedelta | None = None
    to_owner: bool = False
    people: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    connection: str = ""
    room: str = ""
    url: str = ""
    secret: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    window: dt.timedelta = DEFAULT_WINDOW
    quiet_from: dt.time | None = None
    quiet_until: dt.time | None = None
    timezone: str = "UTC"
    is_on: bool = True


def may_be_notified(person: Person, workflow: Workflow | None) -> bool:
    """Whether a rule may notify a person of a workflow: checked when they are named, and again for each message."""
    return can(person, "administer", SITE) if workflow is None else can(person, "view", workflow)
