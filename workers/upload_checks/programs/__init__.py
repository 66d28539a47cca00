"""Programs that checks run inside the sandbox, each as a script of its own: arguments in, one JSON document out."""
