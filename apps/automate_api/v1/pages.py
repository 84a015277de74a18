"""Cursor pages: `{"items": [...], "next": cursor or null}` by `?limit=` and `?cursor=`.

A page begins after the key of the last row of the one before, so that new rows move nothing.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Field, Schema
from pydantic import BeforeValidator, ValidatorFunctionWrapHandler, WrapValidator
from pydantic import ValidationError as InputError
from pydantic_core import PydanticCustomError, PydanticKnownError

from automate_api.v1.problems import ProblemError
from automate_governance.permissions import NotPermittedError, User, holds_anywhere, permitted
from automate_operations.queries.run_filters import PERIODS, find_period
from automate_plugins import text

MOST = 100


def _no_number(value: Any) -> Any:
    """A date as it was written; Pydantic would take a number as seconds. Raises PydanticKnownError for one."""
    try:
        float(value)
    except (TypeError, ValueError):
        return value
    raise PydanticKnownError("datetime_parsing", {"error": "a number"})


Moment = Annotated[dt.datetime, BeforeValidator(_no_number)]  #: a date and time of a request
Day = Annotated[dt.date, BeforeValidator(_no_number)]


def _one_error(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """One error of a period or time, not one for each of the two. Raises PydanticCustomError."""
    try:
        return read(value)
    except InputError as error:
        raise PydanticCustomError("no_period", "no period or time", {"expected": ", ".join(PERIODS)}) from error


#: From when on: the last hours or days, a day, or a date and time.
Since = Annotated[Literal[*PERIODS] | Moment | None, WrapValidator(_one_error)]  # type: ignore[valid-type]


def closed(values: Iterable[str]) -> dict[str, Any]:
    """`json_schema_extra` of a text that has one of these values.

    Only the document says so: an answer with another value, of a row that an older version wrote, is no fault.
    """
    return {"enum": list(values)}


def form(pattern: str) -> dict[str, Any]:
    """`json_schema_extra` of a text of one form, where another one is an error already, or finds nothing."""
    return {"pattern": f"^{pattern}$"}


class PageQuery(Schema):
    """Which page: take it as `page: Query[PageQuery]`."""

    limit: int = Field(20, ge=1, le=MOST, description="Rows of a page.")
    cursor: str | None = Field(
        None, max_length=500, description="`next` of the page before.", json_schema_extra=form("[A-Za-z0-9_-]+={0,2}")
    )


class OrderedQuery(PageQuery):
    """Which page of a list of objects with slugs."""

    order: Literal["created", "-created", "slug", "-slug"] = Field("created", description="A hyphen reverses it.")

    @property
    def key(self) -> str:
        """The order for `read_page`."""
        return self.order.replace("created", "pk")


class Page[Item](Schema):
    """One page of a list."""

    items: list[Item]
    next: str | None = Field(None, description="Cursor of the next page; null on the last one.")


def read_page[M: Model](queryset: QuerySet[M], page: PageQuery, *, order: str = "-pk") -> tuple[list[M], str | None]:
    """The rows of a page and the cursor of the next one; `order` is a unique, not nullable field with its direction.

    One query. Raises ProblemError for a cursor that is not one.
    """
    name = order.removeprefix("-")
    if page.cursor is not None:
        after = _read_cursor(page.cursor, queryset.model, name)
        queryset = queryset.filter(**{f"{name}__{'lt' if order.startswith('-') else 'gt'}": after})
    rows = list(queryset.order_by(order)[: page.limit + 1])
    return cut_page(rows, page, key=name)


def cut_page[R](rows: Sequence[R], page: PageQuery, *, key: str = "pk") -> tuple[list[R], str | None]:
    """(the rows of a page, the cursor of the next one), when up to one row more than the limit was read."""
    shown = list(rows[: page.limit])
    return shown, write_cursor(getattr(shown[-1], key)) if len(rows) > page.limit else None


def check_may_view(user: User, model: type[Model]) -> None:
    """Raise NotPermittedError when `user` may view no `model`: call it before one is created that the answer shows."""
    if not holds_anywhere(user, "view", model):
        raise NotPermittedError(
            text("You need the View permission for the new object, because the response shows it. Nothing was created.")
        )


def permitted_rows[M: Model](user: User, verb: str, queryset: QuerySet[M]) -> QuerySet[M]:
    """The rows that `user` may do `verb` on. Raises NotPermittedError when that can be none at all."""
    check_list(user, verb, queryset.model)
    return permitted(user, verb, queryset)


def check_list(user: User, verb: str, model: type[Model]) -> None:
    """Raise NotPermittedError when there can be no object of `model` that `user` may do `verb` on."""
    if not holds_anywhere(user, verb, model):
        raise NotPermittedError(text("You are not permitted to view this list."))


def since_bounds(since: dt.datetime | str | None) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The start of a moment or period, and the moment after a period that has ended."""
    return find_period(since, timezone.now()) if isinstance(since, str) else (aware(since), None)


def between(
    since: dt.datetime | str | None, until: dt.datetime | None
) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The first and the last moment of a list."""
    start, end = since_bounds(since)
    return start, min(filter(None, (aware(until), end and end - dt.timedelta.resolution)), default=None)


def aware(moment: dt.datetime | None) -> dt.datetime | None:
    """A moment of a request; one without a time zone is in that of the token's owner."""
    return timezone.make_aware(moment) if moment is not None and timezone.is_naive(moment) else moment


def filter_given[M: Model](queryset: QuerySet[M], **values: Any) -> QuerySet[M]:
    """The rows with these values; None asks for any."""
    return queryset.filter(**{name: value for name, value in values.items() if value is not None})


def write_cursor(key: Any) -> str:
    """The cursor after a key."""
    return base64.urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> str:
    """The key of a cursor, as text. Raises ProblemError."""
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise invalid_cursor() from error


def read_uuid_cursor(cursor: str) -> uuid.UUID:
    """The key of a cursor, of a list by UUIDs. Raises ProblemError."""
    try:
        return uuid.UUID(read_cursor(cursor))
    except ValueError as error:
        raise invalid_cursor() from error


def _read_cursor(cursor: str, model: type[Model], name: str) -> Any:
    field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    try:
        key = field.to_python(read_cursor(cursor))  # type: ignore[union-attr]
        field.run_validators(key)  # type: ignore[union-attr]
    except (ValidationError, ValueError, OverflowError) as error:
        raise invalid_cursor() from error
    return key


def invalid_cursor() -> ProblemError:
    """The error for a text that is not a cursor of the list."""
    return ProblemError(422, _("The request is not valid."), [("cursor", _("This is not a cursor of this list."))])
