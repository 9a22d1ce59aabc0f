"""What makes a Python program a well-behaved process."""
