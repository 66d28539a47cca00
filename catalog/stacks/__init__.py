"""Stacks: what has been made in the world, under one lease each."""
