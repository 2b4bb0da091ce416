"""The JSON API: thin handlers over ports, in one table."""
