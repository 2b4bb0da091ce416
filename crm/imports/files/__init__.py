"""Files of others: looked at before they are read, and read in a process of their own that may die."""
