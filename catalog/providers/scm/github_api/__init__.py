"""GitHub's REST API behind ``Repository``; the only modules that import PyGithub, loaded when one is opened."""
