"""Assets as OCI artifacts: pulled from the registry's door, or carried to another Slipway as an image layout."""
