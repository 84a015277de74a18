"""What the shop sells and sends."""

from __future__ import annotations

from django.db import models


class Order(models.Model):
    """What a customer wants. Workflows see a save, and not what `QuerySet.update()` does."""

    class Status(models.TextChoices):
        """How far it is."""

        DRAFT = "draft"
        PAID = "paid"
        SHIPPED = "shipped"

    number = models.CharField(max_length=20, unique=True)
    customer = models.EmailField()
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT)
    total = models.DecimalField(max_digits=10, decimal_places=2)
    notes = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.number


class Shipment(models.Model):
    """What goes out for an order. The database tells workflows of every change, whoever makes it."""

    class Status(models.TextChoices):
        """Where it is."""

        PACKED = "packed"
        SENT = "sent"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="shipments")
    carrier = models.CharField(max_length=20)
    status = models.CharField(max_length=10, choices=Status, default=Status.PACKED)

    def __str__(self) -> str:
        return f"{self.order_id} by {self.carrier}"
