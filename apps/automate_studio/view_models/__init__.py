"""What a draft or a run looks like, as values without HTML."""
