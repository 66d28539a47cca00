"""The pages: one context per page, one renderer for all of them."""
