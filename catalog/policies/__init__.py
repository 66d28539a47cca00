"""Policies: bundles compiled at publish, and the engines that evaluate them."""
