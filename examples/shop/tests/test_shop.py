"""The shop's promises: its transactions are the workflows' transactions."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import shop
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models.functions import Now
from django.test import TestCase, TransactionTestCase
from shop.connector import ShopConnector
from shop.models import Order, Shipment

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_connectors.adapters.base import ConnectorError
from automate_core import database
from automate_core.api import emit
from automate_core.models import Event, ExecutionRun, OutboxJob, RunLog, StepRun
from automate_core.triggers import model_capture
from automate_core.worker.worker import Worker
from automate_testing import run_workflow

WORKFLOWS = Path(shop.__file__).parent / "workflows"


class ChangedMindError(Exception):
    """What goes wrong in the host's own code."""


class ShopTest(TransactionTestCase):
    """Real commits, seen by a real worker."""

    def setUp(self) -> None:
        owner = get_user_model().objects.create_superuser("owner", "owner@example.com", "a password of tests")
        for path in WORKFLOWS.glob("*.yaml"):
            workflow = workflows.save_definition(yaml_files.read_workflow(path.read_text()), owner=owner)
            workflows.publish(workflow, author=owner)

    def order(self, **values: object) -> Order:
        return Order.objects.create(**{"number": "17", "customer": "ada@example.com", "total": 20, **values})

    def work(self) -> None:
        """What a worker does until nothing is left."""
        model_capture.ingest_captured_changes()
        Worker(concurrency=2, drain=True, name="test").run()


class TestTransactions(ShopTest):
    def test_a_rollback_leaves_no_event(self) -> None:
        with self.assertRaises(ChangedMindError), transaction.atomic():
            self.order()
            emit("stock.counted", {"apples": 3})
            raise ChangedMindError
        self.assertFalse(Event.objects.exists())

    def test_a_commit_leaves_exactly_one(self) -> None:
        with transaction.atomic():
            order = self.order()
        event = Event.objects.get()
        self.assertEqual((event.source, event.type), ("model:shop.order", "created"))
        self.assertEqual(event.payload["pk"], order.pk)
        self.assertEqual(
            event.payload["after"], {"number": "17", "customer": "ada@example.com", "status": "draft", "total": 20.0}
        )
        self.work()
        self.assertEqual(ExecutionRun.objects.get().status, "succeeded")

    def test_a_change_says_what_was_before(self) -> None:
        order = self.order()
        order.status, order.notes = "paid", "not listed, so that no event holds it"
        order.save()
        changed = Event.objects.get(type="updated").payload["changed"]
        self.assertEqual(changed, {"status": ["draft", "paid"]})


class TestModes(ShopTest):
    def test_an_update_of_many_is_unseen_by_signals(self) -> None:
        self.order()
        Order.objects.update(status="paid")
        self.work()
        self.assertFalse(Event.objects.filter(type="updated").exists())

    def test_an_update_of_many_is_seen_by_the_database(self) -> None:
        order = self.order()
        for carrier in ("post", "bike"):
            order.shipments.create(carrier=carrier)
        Shipment.objects.update(status="sent")
        self.work()
        found = Event.objects.filter(source="model:shop.shipment", type="updated")
        self.assertEqual([event.payload["changed"] for event in found], [{"status": ["packed", "sent"]}] * 2)
        self.assertEqual(list(RunLog.objects.values_list("message", flat=True)), ["updated sent"] * 2)

    def test_what_the_hosts_code_emits_starts_a_workflow(self) -> None:
        emit("stock.counted", {"apples": 3}, key="2026-06-01")
        emit("stock.counted", {"apples": 3}, key="2026-06-01")
        self.work()
        self.assertEqual(RunLog.objects.get().message.strip(), "stock.counted")


class TestActions(ShopTest):
    def pay(self, **values: object) -> Order:
        order = self.order(**values)
        Event.objects.all().delete()
        order.status = Order.Status.PAID
        order.save()
        return order

    def test_a_paid_order_is_shipped_and_the_workflows_own_save_starts_nothing(self) -> None:
        order = self.pay()
        self.work()
        order.refresh_from_db()
        self.assertEqual((order.status, order.shipments.count()), ("shipped", 1))
        own = Event.objects.get(payload__changed={"status": ["paid", "shipped"]})
        self.assertEqual(own.headers["automate-origin"], "ship-paid-orders")
        self.work()
        self.assertEqual(ExecutionRun.objects.filter(workflow__slug="ship-paid-orders").count(), 1)

    def test_a_workflow_writes_what_the_settings_let_it_write(self) -> None:
        order = self.order()
        order.shipments.create(carrier="bike")
        Shipment.objects.update(status="sent")
        self.work()
        order.refresh_from_db()
        self.assertEqual(order.notes, "Sent: 1")
        self.assertEqual(ExecutionRun.objects.get(workflow__slug="note-what-was-sent").status, "succeeded")

    def test_an_action_that_fails_leaves_nothing(self) -> None:
        self.pay(total=0)
        self.work()
        step = StepRun.objects.get(path__endswith="shipment")
        self.assertEqual((step.status, step.error["code"]), ("failed", "worthless"))
        self.assertFalse(Shipment.objects.exists())

    def test_an_action_and_its_record_commit_together_and_once(self) -> None:
        """Its job is taken from it while it works: what it wrote goes with the record; the next one does it."""
        self.pay()
        execute, seen = ShopConnector.execute, []

        def overtaken(self: ShopConnector, action: str, params: dict, context: dict) -> object:
            output = execute(self, action, params, context)
            seen.append(Shipment.objects.count())
            if len(seen) == 1:
                with database.connect({}) as other:
                    other.execute(
                        "UPDATE automate_core_outboxjob SET token = token + 1, status = 'ready', lease_until = NULL,"
                        " available_at = automate_now() + interval '1 hour' WHERE status = 'leased'"
                    )
            return output

        with mock.patch.object(ShopConnector, "execute", overtaken):
            self.work()
            self.assertEqual(seen, [1])
            self.assertFalse(Shipment.objects.exists())
            self.assertFalse(StepRun.objects.filter(path__endswith="shipment", status="succeeded").exists())
            OutboxJob.objects.filter(status="ready").update(available_at=Now())
            self.work()
        self.assertEqual(Shipment.objects.count(), 1)
        self.assertEqual(StepRun.objects.filter(path__endswith="shipment", status="succeeded").count(), 1)


class TestWorkflowFiles(TestCase):
    """Workflows through the engine in the test's own transaction: no commit, and no worker."""

    def setUp(self) -> None:
        self.owner = get_user_model().objects.create_superuser("owner", "owner@example.com", "a password of tests")
        self.order = Order.objects.create(number="17", customer="ada@example.com", total=20)
        self.paid = {"pk": self.order.pk, "operation": "updated", "changed": ["status"], "after": {"status": "paid"}}

    def test_a_paid_order_is_shipped(self) -> None:
        result = run_workflow(WORKFLOWS / "ship-paid-orders.yaml", self.paid, run_as=self.owner)
        self.assertEqual(result.assert_succeeded().steps["shipment"].status, "succeeded")
        self.order.refresh_from_db()
        self.assertEqual((self.order.status, self.order.shipments.count()), ("shipped", 1))

    def test_a_shipment_that_fails_leaves_the_order_as_it_is(self) -> None:
        mocks = {"shipment": ConnectorError("No carrier", code="no_carrier")}
        result = run_workflow(WORKFLOWS / "ship-paid-orders.yaml", self.paid, run_as=self.owner, mocks=mocks)
        result.assert_failed(step="shipment", code="no_carrier")
        self.assertEqual(result.calls_of("shop.create_shipment")[0].inputs, {"order": self.order.pk, "carrier": "post"})
        self.order.refresh_from_db()
        self.assertEqual(self.order.status, "draft")
