"""XML that a service sends, read element by element: limited in number, depth and time, without entities."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from automate_egress import EgressResponseTooLargeError, HttpResponse
from automate_egress.work_limit import WorkLimit
from automate_plugins import text

MAX_ELEMENTS = 100_000  #: and attributes of them
_MAX_DEPTH = 100


class XmlError(ValueError):
    """What came is not XML, or nested too deeply; `has_entities` when it declares entities, which are not read."""

    def __init__(self, *, has_entities: bool = False) -> None:
        super().__init__("not XML")
        self.has_entities = has_entities


def iterate_xml(response: HttpResponse, context: Mapping[str, Any]) -> Iterator[tuple[str, Element]]:
    """Yield ("start" or "end", element) in the order of the document; at its end, an element is whole.

    An element that the caller clears then takes no more memory. Raises XmlError, EgressResponseTooLargeError after
    MAX_ELEMENTS, and the errors of the context's deadline.
    """
    limit = WorkLimit(MAX_ELEMENTS, remaining=context["network"].remaining, exceeded=_too_many_elements)
    depth = 0
    try:
        for event, element in iterparse(io.BytesIO(response.body), events=("start", "end")):
            if event == "start":
                limit.spend(1 + len(element.attrib))
                depth += 1
                if depth > _MAX_DEPTH:
                    raise XmlError
            else:
                depth -= 1
            yield event, element
    except DefusedXmlException as error:
        raise XmlError(has_entities=True) from error
    except (ParseError, ValueError, LookupError) as error:
        raise XmlError from error


def read_xml(response: HttpResponse, context: Mapping[str, Any]) -> Element:
    """Return the root of the whole document. Raises as `iterate_xml` does."""
    root: Element | None = None
    for _, element in iterate_xml(response, context):
        root = element if root is None else root
    if root is None:
        raise XmlError
    return root


def local_name(element: Element) -> str:
    """Return the name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _too_many_elements() -> EgressResponseTooLargeError:
    return EgressResponseTooLargeError(text("The response has more than %(count)s XML elements.", count=MAX_ELEMENTS))
