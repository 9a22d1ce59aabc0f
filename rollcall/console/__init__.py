"""The `rollcall` command: it asks, starts and prints; what it prints others have computed."""
