"""Search in the data picker: names before values, single values before containers, the closest name first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from automate_core.expressions.json_path import ABSENT, Path
from automate_plugins.files import is_file
from automate_studio.builder.data import declared_types
from automate_studio.builder.data.picker import PickerData, PickerGroup, picker_row, with_rows
from automate_ui.json.expressions import path_expression

MAX_HITS = 60
MAX_SEARCHED = 20_000  #: values that one search looks at
MAX_ITEMS_SEARCHED = 20  #: of each list

type Rank = tuple[int, int, int, int, int]


def search_groups(words: str, groups: Sequence[PickerGroup], data: PickerData) -> list[PickerGroup]:
    """The groups with matching rows, best first; then whole groups whose name matches."""
    wanted = words.lower().split()
    named = [_matching_labels(wanted, group) for group in groups if group.words]
    groups = [group for group in groups if not group.words]
    hits: list[tuple[Rank, int, Path, Any]] = []
    for number, path, value in _searched_values(groups, data):
        found = match_rank(wanted, groups[number].label, path, value)
        if found is not None:
            hits.append((found, number, path, value))
    hits.sort(key=lambda hit: hit[:2])
    by_group: dict[int, list[tuple[Path, Any]]] = {}
    for _, number, path, value in hits[:MAX_HITS]:
        by_group.setdefault(number, []).append((path, value))
    whole = [
        group if group.rows else with_rows(replace(group, open=True), data)
        for number, group in enumerate(groups)
        if number not in by_group and all(word in group.label.lower() for word in wanted)
    ]
    found_groups = [_matching_group(groups[number], found, data) for number, found in by_group.items()]
    return [*(group for group in named if group.rows), *found_groups, *whole]


def _matching_labels(wanted: list[str], group: PickerGroup) -> PickerGroup:
    """A group of few rows with those that its words, or their labels, name."""
    around = f"{group.label} {group.words}"
    rows = (row for row in group.rows if all(word in f"{around} {row.label} {row.name}".lower() for word in wanted))
    return replace(group, rows=tuple(rows), open=True)


def file_groups(words: str, groups: Iterable[PickerGroup], data: PickerData) -> list[PickerGroup]:
    """The groups with their files alone, found by the name of the file, of the value and of the group."""
    wanted, groups = words.lower().split(), list(groups)
    by_group: dict[int, list[tuple[Path, Any]]] = {}
    for number, path, value in _searched_values(groups, data):
        if value != declared_types.FILE and not is_file(value):
            continue
        names = f"{groups[number].label} {path_expression(path)} {_file_name(value)}".lower()
        if all(word in names for word in wanted) and sum(map(len, by_group.values())) < MAX_HITS:
            by_group.setdefault(number, []).append((path, value))
    return [_matching_group(groups[number], found, data) for number, found in by_group.items()]


def _file_name(value: Any) -> str:
    return str(value["name"]) if is_file(value) else ""


def match_rank(wanted: list[str], around: str, path: Path, value: Any) -> Rank | None:
    """Rank of a value for the words, the lowest first; None where it does not match. `around` is the group's name.

    In this order: whether names alone match, whether it is a single value, closeness of its own name, the rest of
    that name, depth.
    """
    own, is_holder = str(path[-1]).lower(), isinstance(value, dict | list) and not is_file(value)
    text = str(value).lower() if isinstance(value, str | int | float) else _file_name(value).lower()
    names = f"{around} {path_expression(path)}".lower()
    if value is ABSENT or not any(word in own or word in text for word in wanted):
        return None
    if not all(word in names or word in text for word in wanted):
        return None
    by_name = any(word in own for word in wanted) and all(word in names for word in wanted)
    distance, rest = (_name_distance(own, wanted), len(own)) if by_name else (0, 0)
    return not by_name, is_holder, distance, rest, len(path)


def _name_distance(name: str, wanted: list[str]) -> int:
    """0 for just that name, 1 for one that begins so, 2 where a word of it does, 3 for any other part."""
    if name in (" ".join(wanted), "_".join(wanted), wanted[-1]):
        return 0
    if any(name.startswith(word) for word in wanted):
        return 1
    parts = name.replace("-", "_").replace(" ", "_").split("_")
    return 2 if any(part.startswith(word) for part in parts for word in wanted) else 3


def _matching_group(group: PickerGroup, found: list[tuple[Path, Any]], data: PickerData) -> PickerGroup:
    rows = (
        picker_row(
            path_expression(path[len(group.path) :] or path[-1:]).lstrip("."),
            path,
            value,
            data,
            only_if=group.only_if,
        )
        for path, value in found
    )
    return replace(group, rows=tuple(rows), open=True, hint="")


def _searched_values(groups: list[PickerGroup], data: PickerData) -> Iterator[tuple[int, Path, Any]]:
    """(index of the group, path, value) of at most MAX_SEARCHED values."""
    left = MAX_SEARCHED
    for number, group in enumerate(groups):
        is_list_of_names = len(group.path) < 2 and group.path != ("item",)
        for root in [each.path for each in group.rows if each.path] if is_list_of_names else [group.path]:
            for path, value in _walk_values(root, data.at(root)):
                left -= 1
                if left < 0:
                    return
                yield number, path, value


def _walk_values(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    """Every value, containers before their contents. Iterative, since data may be nested arbitrarily deep."""
    stack: list[tuple[Path, Any]] = [(path, value)]
    while stack:
        here, value = stack.pop()
        yield here, value
        if isinstance(value, dict):
            stack += [((*here, name), inner) for name, inner in reversed(value.items()) if isinstance(name, str)]
        elif isinstance(value, list):
            stack += [((*here, at), value[at]) for at in reversed(range(min(len(value), MAX_ITEMS_SEARCHED)))]
