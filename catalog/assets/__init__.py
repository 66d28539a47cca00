"""Assets: packages with versions that a tenant publishes, browses, pins and uses."""
