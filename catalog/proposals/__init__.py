"""Proposals: what agents found and suggest, who decided, how far each agent may go, and what is blocked meanwhile."""
