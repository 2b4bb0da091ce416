"""Private links: what a person outside the house may open without an account."""
