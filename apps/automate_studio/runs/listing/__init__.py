"""The run list: search, histogram, bulk actions, export."""
