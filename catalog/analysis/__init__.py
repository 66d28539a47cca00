"""Analysis: metrics measured again and again, and one verdict of them; used by campaigns and rollouts alike."""
