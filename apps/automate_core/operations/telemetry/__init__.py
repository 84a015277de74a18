"""What monitoring systems read of the product."""
