"""Redaction of secrets in values, texts and logs."""
