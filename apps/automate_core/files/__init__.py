"""Files that pass between steps: stored as artifacts, referred to by values."""
