"""A vendor's description of an API, as OpenAPI 3 or Swagger 2 has it: operations, and schemas at dotted paths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VERBS = ("get", "post", "put", "patch", "delete")
_MEDIA = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")
_MAX_DEPTH = 8
_ALTERNATIVES = ("allOf", "oneOf", "anyOf")

type Schema = dict[str, Any]


@dataclass(frozen=True)
class Description:
    """One document, and what precedes its paths in an address."""

    value: Mapping[str, Any]
    prefix: str = ""

    def find(self, method: str, address: str) -> Operation | list[str]:
        """Return the operation that fits best; else the other methods of that path, none for an unknown path."""
        verbs: set[str] = set()
        found: list[tuple[int, Operation]] = []
        for path, item in (self.value.get("paths") or {}).items():
            score = match(self.prefix + path, address)
            if score is None:
                continue
            verbs.update(verb for verb in VERBS if verb in item)
            if method in item:
                shared = item.get("parameters") or []
                found.append((score, Operation(self, f"{method.upper()} {path}", item[method], shared)))
        return max(found, key=lambda each: each[0])[1] if found else sorted(verbs)

    def resolve(self, value: Any) -> Schema:
        """Return what a reference leads to."""
        for _ in range(20):
            if not isinstance(value, dict) or not isinstance(value.get("$ref"), str):
                break
            target: Any = self.value
            for part in value["$ref"].lstrip("#/").split("/"):
                name = part.replace("~1", "/").replace("~0", "~")
                target = target.get(name) if isinstance(target, dict) else None
            value = target
        return value if isinstance(value, dict) else {}

    def variants(self, schema: Any, depth: int = 0) -> list[Schema]:
        """Return a schema, and all that it is composed of."""
        found = self.resolve(schema)
        inner = [each for name in _ALTERNATIVES for each in found.get(name) or []] if depth < _MAX_DEPTH else []
        return [found, *(one for each in inner for one in self.variants(each, depth + 1))]

    def at(self, schema: Schema, path: str) -> list[Schema] | None:
        """Return the schemas at a dotted path; none for an open schema, and None where the path is not there."""
        level = self.variants(schema)
        for part in _parts(path):
            below = [one for each in level for one in self._below(each, part)]
            if not below:
                return [] if any(map(_is_open, level)) else None
            level = below
        return level

    def _below(self, schema: Schema, part: str) -> list[Schema]:
        members = schema.get("properties") or {}
        if part in members:
            return self.variants(members[part])
        if part.isdecimal() or part == "[]":
            return self.variants(schema["items"]) if "items" in schema else []
        others = schema.get("additionalProperties")
        return self.variants(others) if isinstance(others, dict) and others else []


@dataclass(frozen=True)
class Operation:
    """An operation of a description. `shared` are the parameters of its path."""

    description: Description
    name: str
    source: Mapping[str, Any]
    shared: list[Any]

    @property
    def parameters(self) -> dict[tuple[str, str], Schema]:
        """Its parameters by place and name."""
        listed = map(self.description.resolve, [*self.shared, *(self.source.get("parameters") or [])])
        return {(one.get("in", ""), one.get("name", "")): one for one in listed}

    @property
    def body(self) -> Schema | None:
        """The schema of its body; None without one."""
        content = self.description.resolve(self.source.get("requestBody")).get("content") or {}
        if content:
            media = next((each for each in _MEDIA if each in content), next(iter(content)))
            return content[media].get("schema") or {}
        placed = self.parameters.items()  # Swagger 2
        whole = next((one.get("schema") or {} for (place, _), one in placed if place == "body"), None)
        form = {name: one for (place, name), one in placed if place == "formData"}
        return whole if whole is not None or not form else {"type": "object", "properties": form}

    @property
    def answer(self) -> Schema | None:
        """The schema of its good answer; None where the document has none."""
        for status, response in sorted((self.source.get("responses") or {}).items(), key=lambda each: str(each[0])):
            if str(status)[:1] != "2":
                continue
            found = self.description.resolve(response)
            media = [each["schema"] for each in (found.get("content") or {}).values() if each.get("schema")]
            if schema := next(iter(media), found.get("schema")):
                return schema
        return None


def match(known: str, address: str) -> int | None:
    """Return how well the path of a document fits an address; None where it does not. Both have names in braces."""
    wanted = re.sub(r"^(https?://[^/]+|\{\w+\})", "", address)
    ours, theirs = (re.sub(r"\?.*", "", each).strip("/") for each in (wanted, known))
    if "{+" in ours:  # slashes within one value
        pattern = re.escape(re.sub(r"\{[^+}]*\}", "{}", re.sub(r"\{\+\w+\}", "\0", ours)))
        shape = re.sub(r"\{[^}]*\}", "{}", theirs)
        return -shape.count("/") if re.fullmatch(pattern.replace("\0", ".+"), shape) else None  # the shortest
    one, two = ([re.sub(r"\{[^}]*\}", "{}", part) for part in each.split("/")] for each in (ours, theirs))
    if len(one) != len(two):
        return None
    score = 0
    for mine, other in zip(one, two, strict=True):
        if mine != other and "{}" not in {mine, other} and not _fits(other, mine) and not _fits(mine, other):
            return None
        score += 2 if mine == other and "{}" not in mine else 1 if mine == other else 0
    return score


def _fits(shape: str, part: str) -> bool:
    return "{}" in shape and re.fullmatch(re.escape(shape).replace(r"\{\}", ".+"), part) is not None


def _is_open(schema: Schema) -> bool:
    """Whether a schema says nothing of its members."""
    if schema.get("additionalProperties") is True:
        return True
    says = any(schema.get(name) for name in ("properties", "items", "enum", *_ALTERNATIVES))
    return not says and schema.get("type") in {None, "object"}


def _parts(path: str) -> list[str]:
    """Return the parts of a path; a name may begin with `@odata.`, and `labels[].name` goes into a list."""
    written = path.replace("@odata.", "@odata\0").replace("[]", ".[]")
    return [part.replace("\0", ".") for part in written.split(".") if part]
