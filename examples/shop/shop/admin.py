"""The shop's own pages in the admin."""

from __future__ import annotations

from django.contrib import admin
from unfold.admin import ModelAdmin

from shop.models import Order, Shipment


@admin.register(Order)
class OrderAdmin(ModelAdmin):
    list_display = ["number", "customer", "status", "total"]


@admin.register(Shipment)
class ShipmentAdmin(ModelAdmin):
    list_display = ["order", "carrier", "status"]
