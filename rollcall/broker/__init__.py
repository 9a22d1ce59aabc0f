"""The contract, and the way to the broker."""
