"""Webhooks at a service: what a trigger has the service send, and the registration that makes it do so."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from automate_plugins.fields import FieldSpec

EVENTS = "events"  #: the input by which a connector is given the event types; no field has this name


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """One thing that a service can be asked to send. Each delivery becomes an event.

    `fields` are its inputs, which hold no expressions. `events` are the event types that it may send, as (type,
    label): a trigger takes all of them, or those that it names. Without any, deliveries of every type start it. With
    `other_events`, a trigger may name types that are not listed.

    Deliveries are verified by the signature scheme `scheme`, with its `scheme_config`. The platform makes the secret,
    unless the service does (`makes_secret`): `register_webhook` then returns it. `sample` is the payload of a
    delivery, which the builder offers before any came.

    Deliveries of a webhook that `announces` carry no data: they say that there are changes. `read_changes` reads these,
    and each of them becomes an event, of which `sample` is the payload. `quiet` are the event types of deliveries that
    announce nothing, such as that of a first message.
    """

    name: str
    scheme: str
    label: str = ""
    description: str = ""
    fields: tuple[FieldSpec, ...] = ()
    events: tuple[tuple[str, str], ...] = ()
    other_events: bool = False
    scheme_config: Mapping[str, Any] = field(default_factory=dict)
    makes_secret: bool = False
    announces: bool = False
    quiet: tuple[str, ...] = ()
    sample: Mapping[str, Any] = field(default_factory=dict)

    @property
    def event_types(self) -> tuple[str, ...]:
        """The event types that it lists."""
        return tuple(kind for kind, _ in self.events)


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A webhook as the service knows it.

    `id` is the service's name for it. It ends at `expires`, a time with a time zone; None where it does not. `data` is
    JSON-like, kept, and given back to renew and remove it. `secret` comes from a service that makes it, when it does.
    """

    id: str
    expires: dt.datetime | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    secret: str = field(default="", repr=False)
