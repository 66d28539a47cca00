"""Programs that run inside the sandbox: they see one asset's content, and print what it becomes."""
