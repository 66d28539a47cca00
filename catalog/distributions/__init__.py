"""Distributions: the wheels inside component packages, as Python's own installers find them."""
