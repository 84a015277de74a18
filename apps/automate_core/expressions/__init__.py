"""Expressions of workflows: JSON Logic conditions and `{{ }}` templates."""
