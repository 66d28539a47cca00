"""Agents: each reads facts and writes proposals, and never acts by itself."""
