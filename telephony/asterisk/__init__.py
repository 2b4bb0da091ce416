"""The Asterisk adapter: protocol, connection, rendering of its files and a private copy."""
