"""All HTTP: pages, JSON API, live events, health."""
