"""Adapters to other people's systems, one package per port; the only place where a vendor SDK is imported."""
