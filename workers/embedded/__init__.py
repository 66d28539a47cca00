"""The embedded default: PostgreSQL, Redis, HAProxy and Slipway's own processes, started and stopped by one command."""
