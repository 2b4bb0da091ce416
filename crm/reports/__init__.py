"""Lists and reports of the department: what the papers ask for by name, drafted from the data."""
