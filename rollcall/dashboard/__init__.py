"""The dashboard: the cluster in a browser, live from the broker."""
