"""Signature schemes of webhook endpoints."""
