"""What runs in the sandbox to make bills of materials: it reads a stranger's files and writes two documents."""
