"""Installs: a ledger of what a tenant has taken into use, planned before it happens and never overwritten."""
