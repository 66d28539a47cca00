"""What happened, recorded in the transaction in which it happened."""
