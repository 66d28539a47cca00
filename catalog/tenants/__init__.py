"""Tenants, their members, how they prove who they are, and the audit log."""
