"""Heartbeats: which processes are alive and what they can do, read by the readiness check."""
