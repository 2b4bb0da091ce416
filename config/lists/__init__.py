"""Lists that come in and go out: the work behind the pages and the commands."""
