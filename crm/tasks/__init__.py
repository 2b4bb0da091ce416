"""Things a person must do by a time."""
