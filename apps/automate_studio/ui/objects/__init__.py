"""Forms, lists and deletion of an admin object in the product's own design."""
