"""Approvals: durable gates that people open, bound to the digest of the plan they were shown."""
