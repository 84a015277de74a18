"""The texts of a document that people read, which the catalogues of this project translate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from automate_connectors.declared import specs
from automate_connectors.declared.document import Column, Document, Field


def texts(document: Document) -> Iterator[str]:
    """Yield each text once: descriptions, labels, help, groups, labels of choices, and advice."""
    yield from dict.fromkeys(filter(None, _texts(document)))


def _texts(document: Document) -> Iterator[str]:
    yield document.description
    yield from _of_columns(document.connection)
    yield from document.errors.advice.values()
    for action in document.actions:
        if not action.hidden:
            yield from (action.label, action.description, action.group)
            yield from _of_columns(action.fields)
    for poll in document.polls:
        yield from (poll.label, poll.description)
        yield from _of_columns(specs.poll_fields(document, poll))
    for webhook in document.webhooks:
        yield from (webhook.label, webhook.description, *webhook.events.values())
        yield from _of_columns(specs.webhook_fields(document, webhook))


def _of_columns(columns: Iterable[Column]) -> Iterator[str]:
    for column in columns:
        yield from (column.label, column.help)
        if isinstance(column.choices, dict):
            yield from column.choices.values()
        if isinstance(column, Field):
            yield from _of_columns(column.columns)
