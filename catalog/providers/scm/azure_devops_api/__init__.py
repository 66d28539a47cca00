"""What the provider ``azure_devops`` is made of: requests, addresses, contents, pull requests, rights and hooks."""
