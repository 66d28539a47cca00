"""Notifications: who wants to hear of which events, and how each was told; they react to events only."""
