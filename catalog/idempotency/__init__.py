"""Idempotency keys: a request that is sent again gets the answer that it got before."""
