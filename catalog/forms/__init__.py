"""Forms: a JSON Schema as the controls of a page, what was sent as a value again, and one validator for everybody."""
