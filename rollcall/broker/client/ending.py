"""How a connection ends: with a goodbye, or in such a way that the last will speaks."""

import logging
import socket

from paho.mqtt.client import Client

from rollcall.broker.announcement import Announcement

_log = logging.getLogger(__name__)


def said_goodbye(paho: Client, announcement: Announcement | None, within_s: float) -> bool:
    """Publish the goodbye, where there is one; say whether the broker has it in time."""
    if announcement is None:
        return True
    info = paho.publish(announcement.topic, announcement.goodbye(), qos=1, retain=True)
    try:
        info.wait_for_publish(within_s)
    except (RuntimeError, ValueError):
        return False
    return info.is_published()


def cut(paho: Client) -> None:
    """Close the socket without DISCONNECT: the will speaks, and paho connects anew."""
    open_socket = paho.socket()
    if isinstance(open_socket, socket.socket):
        try:
            open_socket.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            _log.debug("the socket was closed already: %s", error)
