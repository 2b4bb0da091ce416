"""The things that the web side asks for, over the database: one module per capability."""
