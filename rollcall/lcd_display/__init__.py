"""Twenty by four characters of truth: the cluster on a character display."""
