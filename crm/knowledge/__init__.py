"""What the house knows: articles that are approved, dated and found by two letters."""
