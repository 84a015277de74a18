"""Test runs of drafts.

A snapshot of the draft runs in the same engine as any run, on terms that say what may happen.
"""
