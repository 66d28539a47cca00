"""Processes that act in the world: jobs, the engine that applies stacks, and the local target."""
