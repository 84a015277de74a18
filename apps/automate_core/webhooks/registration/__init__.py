"""Webhooks at services: registered for published workflows, renewed, removed, and their deliveries."""
