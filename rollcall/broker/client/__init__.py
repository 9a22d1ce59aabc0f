"""The only door to paho: one MQTT 5 session with the broker."""

from rollcall.broker.client.broker_client import BrokerClient

__all__ = ["BrokerClient"]
