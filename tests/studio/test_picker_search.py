"""The data picker's search: what comes first, and how a long path is cut."""

from __future__ import annotations

import pytest

from automate_studio.builder.data import declared_types
from automate_studio.builder.data.picker import PickerData, PickerGroup
from automate_studio.builder.data.picker_search import MAX_HITS, file_groups, search_groups
from automate_ui.json import expressions

PAYLOAD = {
    "note": "The customer called about the amount",
    "customer": {"name": "Ada", "email": "ada@example.com", "customer_no": 7},
    "amounts": [{"net": 1}],
    "total_amount": 12.5,
    "order": {"lines": [{"amount": 3, "customer": "B"}]},
    "amount": 15,
}
SCOPE = {"event": {"payload": PAYLOAD}, "steps": {"look": {"output": {"amount": 99, "amount_due": 1}}}}
GROUPS = [
    PickerGroup(label="Trigger", path=("event", "payload")),
    PickerGroup(label="Look", path=("steps", "look", "output")),
]


def found(words, scope=SCOPE):
    return [
        (group.label, row.label)
        for group in search_groups(words, GROUPS, PickerData(scope=scope, shape={}))
        for row in group.rows
    ]


def test_names_come_before_values_and_single_values_before_what_holds_others():
    assert found("amount") == [
        ("Trigger", "amount"),
        ("Trigger", "order.lines[0].amount"),
        ("Trigger", "total_amount"),
        ("Trigger", "amounts"),
        ("Trigger", "note"),
        ("Look", "amount"),
        ("Look", "amount_due"),
    ]
    assert found("customer") == [
        ("Trigger", "order.lines[0].customer"),
        ("Trigger", "customer.customer_no"),
        ("Trigger", "customer"),
        ("Trigger", "note"),
    ]


def test_the_shorter_of_two_names_that_begin_so_comes_first():
    scope = {"event": {"payload": {"content-type": "json", "customer": {"contact": "Ada"}}}, "steps": {}}
    assert [label for _, label in found("con", scope)] == ["customer.contact", '["content-type"]']


def test_the_group_of_the_best_hit_comes_first():
    assert found("due")[0] == ("Look", "amount_due")
    assert found("look amount") == [("Look", "amount"), ("Look", "amount_due")]


def test_a_late_best_hit_is_not_pushed_out_by_many_others():
    crowd = {f"a{number}": "such a value" for number in range(500)} | {"value": 1}
    names = found("value", {"event": {"payload": crowd}, "steps": {}})
    assert names[0] == ("Trigger", "value") and len(names) == MAX_HITS


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("customer.name", ("customer.name", "")),
        ("customer.addresses[0].delivery.postcode", ("customer.addresses[0].delivery", ".postcode")),
        ("order.lines[0].discounts_by_code[12]", ("order.lines[0].discounts_by_code", "[12]")),
        ("x" * 40, ("x" * 28, "x" * 12)),
    ],
)
def test_a_long_path_keeps_its_end(label, expected):
    assert expressions.split_label(label) == expected


def test_files_are_found_by_their_names_and_offered_alone():
    def file(number, name):
        return {"$file": f"{number:032x}", "name": name, "type": "application/pdf", "size": 7}

    payload = {"text": "bill", "attachments": [file(1, "bill.pdf"), file(2, "terms.pdf")], "photo": file(3, "Door.png")}
    scope = {"event": {"payload": payload}, "steps": {}}
    shape = {"steps": {"look": {"output": {"scan": declared_types.FILE, "pages": declared_types.NUMBER}}}}
    data = PickerData(scope=scope, shape=shape)
    offered = {
        words: [(group.label, row.label) for group in file_groups(words, GROUPS, data) for row in group.rows]
        for words in ("", "bill", "door trigger", "scan", "pages")
    }
    first, second = ("Trigger", "attachments[0]"), ("Trigger", "attachments[1]")
    assert offered == {
        "": [first, second, ("Trigger", "photo"), ("Look", "scan")],
        "bill": [first], "door trigger": [("Trigger", "photo")], "scan": [("Look", "scan")], "pages": [],
    }  # fmt: skip
    assert ("Trigger", "photo") in found("door", scope), "by any search, too"
