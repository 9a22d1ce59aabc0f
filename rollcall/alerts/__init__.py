"""The alert service: decides what is wrong, and tells."""
