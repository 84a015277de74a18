"""Usage of language models, and budgets."""
