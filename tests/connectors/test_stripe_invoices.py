"""An item, then an invoice: by Stripe's rule, an invoice has the items that wait only if the request includes them."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from automate_connectors.registry import connectors


@pytest.fixture
def stripe(server):
    """A server with Stripe's rule since the version 2022-08-01; returns the connection's settings."""
    waiting = []

    def respond(asked):
        assert asked.headers["stripe-version"] >= "2022-08-01"
        given = {name: values[-1] for name, values in parse_qs(asked.body.decode()).items()}
        if asked.path == "/v1/invoiceitems":
            waiting.append(int(given["amount"]))
            return 200, {"id": "ii_1", "object": "invoiceitem", **given}, {}
        includes = given.get("pending_invoice_items_behavior") == "include"
        invoice = {"id": "in_1", "object": "invoice", "status": "draft", "total": sum(waiting) if includes else 0}
        return 200, invoice, {}

    server.answer = respond
    return {"token": "any", "base_url": f"{server.url}/v1"}


@pytest.mark.parametrize(("inputs", "total"), [({}, 1_598), ({"items": "exclude"}, 0)])
def test_an_invoice_has_the_items_that_wait(stripe, call, inputs, total):
    adapter, customer = connectors.get("stripe"), {"customer": "cus_1"}
    for amount in (1_099, 499):
        call(adapter, "add_invoice_item", {**customer, "amount": amount, "currency": "eur"}, stripe)
    assert call(adapter, "create_invoice", {**customer, **inputs}, stripe)["total"] == total
