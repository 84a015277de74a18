"""What no document can say of Google's services: webhooks that only announce changes."""
