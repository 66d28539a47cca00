"""Feeds: what was published and what has changed, as far as one tenant may see it."""
