"""Lists that go out as files: cells that stay text, and the process that writes them."""
