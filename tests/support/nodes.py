"""Nodes as a broker hears them, without an agent."""

import time
from typing import Final

from rollcall.broker.messages import Info, Online, Report, encode
from rollcall.broker.topics import Kind, Topics
from tests.support.mqtt import BrokerUnderTest

EPOCH: Final = "9f3c21d07a5be4c8"
TOPICS: Final = Topics()


def birth() -> bytes:
    return encode(Online(since=time.time(), session=1, epoch=EPOCH, interval=1, seq=1))


def announce(broker: BrokerUnderTest, name: str, first_seq: int = 2, **further: object) -> None:
    """Say what a node says: birth, facts, one report of CPU and one of memory."""
    broker.publish(TOPICS.topic(Kind.STATUS, name), birth(), retain=True)
    info = Info(hostname=name, agent="1.0.0", interval=10, cpus=4)
    broker.publish(TOPICS.topic(Kind.INFO, name), encode(info), retain=True)
    readings = {"cpu": {"percent": 40.0}, "memory": {"used_bytes": 10**9, "total_bytes": 4 * 10**9}}
    for seq, (collector, fields) in enumerate(readings.items(), first_seq):
        report = Report.model_validate(
            {"epoch": EPOCH, "seq": seq, "time": time.time(), "interval": 10, "fields": fields}
            | further
        )
        broker.publish(TOPICS.topic(Kind.METRICS, name, collector), encode(report), retain=True)
