"""The doctor: what Slipway finds on this machine, what it lacks, and how to get that."""
