"""Uploads: the one door through which packages come, curated ones like everybody's."""
