"""What language models cost, and budgets for them."""
