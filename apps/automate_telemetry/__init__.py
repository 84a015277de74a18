"""What monitoring systems read of the product, and the traces that they are sent."""
