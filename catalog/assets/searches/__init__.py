"""Searches that people keep: named, run again, with what is new since, and a feed of each."""
