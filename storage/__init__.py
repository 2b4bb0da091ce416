"""All SQL: one module per aggregate, on SQLite and PostgreSQL."""
