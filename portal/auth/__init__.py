"""Who is calling: bearer tokens for programs, a session cookie for browsers, and what guards the routes."""
