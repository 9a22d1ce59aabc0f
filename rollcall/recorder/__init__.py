"""Subscribes, stores in a database, acknowledges: nothing received is lost or stored twice."""
