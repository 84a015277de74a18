"""The diagram of a workflow as a page draws it, read from its elements."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"input", "br", "img", "hr", "meta", "link"}


class Element:
    """An element with its children."""

    def __init__(self, tag="", attrs=()):
        self.tag, self.attrs = tag, {name: value or "" for name, value in attrs}
        self.children, self.words = [], ""

    @property
    def classes(self):
        return self.attrs.get("class", "").split()

    @property
    def text(self):
        return " ".join([*self.words.split(), *(child.text for child in self.children)]).strip()

    def walk(self):
        yield self
        for child in self.children:
            yield from child.walk()


class _Elements(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.root = Element()
        self.open = [self.root]
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        made = Element(tag, attrs)
        self.open[-1].children.append(made)
        if tag not in _VOID:
            self.open.append(made)

    def handle_endtag(self, tag):
        at = next((at for at in range(len(self.open) - 1, 0, -1) if self.open[at].tag == tag), 0)
        if at:
            del self.open[at:]

    def handle_data(self, data):
        self.open[-1].words += f" {data}"


def elements(response):
    """The root of a page's elements."""
    return _Elements(response.content.decode()).root


def diagram(response):
    """`[line, card, [routes], line, ...]`: a line is `|` or ` `, a card the end of its id, a route `(name, ways, list)`.

    `ways` are what leads out of a route below: `v` down, `<` and `>` along.
    """
    flow = next(each for each in elements(response).walk() if each.attrs.get("id") == "flow")
    return list(_parts(flow))


def taken_routes(response):
    """The names of the routes that a run took, in the order of the page."""
    marks = [each for each in elements(response).walk() if {"da-cond", "taken"} <= set(each.classes)]
    return [each.text.removeprefix("Taken: ") for each in marks]


def _parts(around):
    for each in around.children:
        if "da-line" in each.classes:
            yield " " if "no-line" in each.classes else "|"
        elif "da-step" in each.classes:
            yield each.attrs["id"].removeprefix("card-")
        elif "da-arms" in each.classes:
            yield [_route(arm) for arm in each.children]
        elif "da-end" in each.classes:
            yield "End"


def _route(arm):
    name = next(each.text for each in arm.children if "da-cond" in each.classes)
    out = {"v": "ends", "<": "cut-left", ">": "cut-right"}
    ways = "".join(way for way, cut in out.items() if cut not in arm.classes)
    return name.removeprefix("Taken: "), ways, list(_parts(arm))
