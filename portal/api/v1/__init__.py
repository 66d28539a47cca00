"""Version 1 of the API: every controller, in one place, because routes are a security surface."""

CONTROLLERS = ()
