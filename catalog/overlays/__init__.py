"""Overlays: what a tenant narrows of an asset's inputs without a copy of it, proven to allow less than the asset."""
