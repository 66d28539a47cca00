"""Who builds on a version and who runs it, and telling them when its state changes."""
