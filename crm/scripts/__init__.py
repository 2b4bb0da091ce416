"""What to say: scripts with the customer's data in them."""
