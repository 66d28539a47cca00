"""Releases: what a tenant ships, version by version, with the artifacts that each consists of."""
