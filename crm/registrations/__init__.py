"""What is filed when a call ends: forms by call type, drafts, registrations and their corrections."""
