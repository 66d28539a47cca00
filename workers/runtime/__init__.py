"""The worker runtime: jobs and their discovery, the relay from the outbox to the queue, and the processes of both."""
