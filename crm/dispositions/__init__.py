"""What the agent says came of a call, in sets that an installation may change."""
