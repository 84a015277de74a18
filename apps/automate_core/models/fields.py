"""Columns that keep what authors wrote, to the order of its names; and the words of a text, for its index."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Func
from psycopg.types.json import Json


class DocumentField(models.JSONField):
    """A JSON document that is stored and read as it is: PostgreSQL's `json`, which keeps the order of names.

    jsonb sorts them, and a workflow file that was imported would come back with its inputs shuffled. It cannot be
    filtered, compared or made distinct by.
    """

    def db_type(self, connection: Any) -> str:
        """The column's type."""
        return "json"

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """A parameter of type json."""
        return None if value is None else Json(value)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """psycopg has parsed it already."""
        return value


class Words(Func):
    """The words of a text, whatever its language: what stands between punctuation and spaces."""

    template = "to_tsvector('simple', regexp_replace(%(expressions)s, '[[:punct:][:space:]]+', ' ', 'g'))"
    output_field = SearchVectorField()
