"""Ephemeral environments: one for each pull request that wants one, until it is closed, expired or destroyed."""
