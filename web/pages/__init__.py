"""Pages rendered here: sign-in and the live list of calls."""
