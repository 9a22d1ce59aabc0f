"""The agent: reads one host and publishes what it finds."""
