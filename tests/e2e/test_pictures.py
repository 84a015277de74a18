"""The pictures of the documentation, taken from the product: `make docs` renews those in docs/images."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.django_db(transaction=True)

ORDERS = """
name: Check large orders
slug: check-large-orders
description: Orders over 1,000 are approved by a person; all others are confirmed at once.
triggers: [{endpoint: github, event: order.placed}]
steps:
  - {key: order, name: Read the order, action: data.set, inputs: {customer: '{{ event.payload.customer }}', total: '{{ event.payload.total }}'}}
  - kind: branch
    key: size
    name: How large is the order?
    arms:
      - key: large
        name: Over 1,000
        when: {'>': [{var: event.payload.total}, 1000]}
        steps:
          - {key: risk, name: Look up the customer, action: data.set, inputs: {risk: low, orders: 14}}
          - {key: note, name: Write a note for sales, action: data.log, inputs: {message: 'Large order of {{ event.payload.customer }}'}}
      - key: small
        name: Up to 1,000
        when: {'<=': [{var: event.payload.total}, 1000]}
        steps: [{key: quick, name: Approve automatically, action: data.set, inputs: {approved: true}}]
  - {key: confirm, name: Confirm the order, action: data.log, inputs: {message: 'Confirmed for {{ event.payload.customer }}'}}
"""


@pytest.fixture
def picture():
    """Take a picture of the window into the folder that AUTOMATE_DOCS_IMAGES names; without one, none is taken."""
    folder = os.environ.get("AUTOMATE_DOCS_IMAGES")

    def take(page: Page, name: str) -> None:
        page.evaluate("document.activeElement?.blur()")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder) / f"{name}.png")

    return take


@pytest.mark.extended
def test_pictures_of_the_documentation(workflow, deliver, drain, signed_in, site, picture):
    made = workflow(ORDERS)
    for total in (320, 4_700, 80, 1_250):
        deliver({"customer": "Northwind", "total": total, "number": 4711}, event="order.placed")
    drain()
    page, runs = signed_in, made.runs.order_by("pk")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{site}/admin/automate/workflows/{made.pk}/builder/?step=size")
    expect(page.get_by_text("Confirm the order").first).to_be_visible()
    picture(page, "builder")
    page.goto(f"{site}/admin/automate_core/executionrun/{runs[1].pk}/change/?step=size/risk")
    expect(page.get_by_text("Look up the customer").first).to_be_visible()
    picture(page, "run")
    page.goto(f"{site}/admin/automate_core/executionrun/")
    expect(page.locator("tbody").get_by_text("Check large orders").first).to_be_visible()
    picture(page, "runs")
    page.goto(f"{site}/admin/")
    expect(page.get_by_role("heading", name="Overview").first).to_be_visible()
    picture(page, "overview")
