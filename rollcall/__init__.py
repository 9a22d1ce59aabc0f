"""Rollcall: which machines of a cluster are alive, and how they fare, over MQTT."""

__version__ = "0.1.0"
