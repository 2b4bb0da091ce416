"""Settings, composition root and the command line."""
