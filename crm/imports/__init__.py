"""Lists of other programs: reading what a cell says, which column is what, and what a row would change."""
