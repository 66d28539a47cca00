"""Attestations: signed statements about artifacts, the keys that sign them, and what a tenant trusts."""
