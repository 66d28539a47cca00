"""Who may publish without a stored secret: jobs of a CI system, by the identity that it vouches for."""
