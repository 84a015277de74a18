"""View models of drafts and runs: values without HTML."""
