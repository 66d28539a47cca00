"""Deliveries: each event on its way to each job that wants it, and the schedules of periodic jobs."""
