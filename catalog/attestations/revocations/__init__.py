"""What is read and written of evidence whose signer is no longer trusted."""
