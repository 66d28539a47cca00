"""Connections to source code management: whose credentials, which repositories, and what is open there."""
