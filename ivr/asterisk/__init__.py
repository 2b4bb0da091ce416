"""FastAGI: the wire between the menu engine and Asterisk."""
