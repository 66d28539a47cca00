"""What a tenant's own catalog holds: whom assets are shared with, what is hidden, and which versions are allowed."""
