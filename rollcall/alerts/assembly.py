"""Puts the telling half of the service together, from settings to senders."""

import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from rollcall.alerts.commands import AlertCommands
from rollcall.alerts.delivery import MAIL_CHANNEL, DeliveryQueue, channel_of
from rollcall.alerts.dispatch import Dispatch, Policy
from rollcall.alerts.incidents import Incidents
from rollcall.alerts.mail import Letterhead
from rollcall.alerts.mail_trial import MailTrial
from rollcall.alerts.notifier import Notifier
from rollcall.alerts.outbox import Outbox
from rollcall.alerts.receivers import DEFAULT
from rollcall.alerts.sender import Sender
from rollcall.alerts.settings import WayOut
from rollcall.alerts.snapshots import Snapshots
from rollcall.service.settings import Mail, Settings, seconds_of


@dataclass(frozen=True, slots=True)
class Telling:
    """What tells people, and what people tell us."""

    notifier: Notifier
    commands: AlertCommands
    snapshots: Snapshots


def delivery_queue(mail: Mail) -> DeliveryQueue:
    """Make the queue of messages that are not out yet."""
    jitter: Callable[[], float] = lambda: random.uniform(0.8, 1.2)  # noqa: E731, S311 - spreads load, no secret
    return DeliveryQueue(jitter, seconds_of(mail.give_up_after))


def assembled(
    settings: Settings,
    way: WayOut,
    *,
    outbox: Outbox,
    queue: DeliveryQueue,
    install: str,
    wake: Callable[[], None],
) -> Telling:
    """Give the notifier and the commands; `wake` is called when an outcome has come."""
    default = way.receivers[DEFAULT]
    head = Letterhead(settings.cluster.name, way.sender, default.to, install)
    dispatch = Dispatch(
        outbox=outbox,
        queue=queue,
        senders={name: Sender(deliver, wake) for name, deliver in way.routes.items()},
        receivers=way.receivers,
        head=head,
        draw=secrets.randbits,
        policy=Policy(seconds_of(settings.mail.late_after), settings.mail.digest_at),
    )
    notifier = Notifier(outbox=outbox, dispatch=dispatch, incidents=Incidents(secrets.randbits))
    people = (one for one in default.recipients if channel_of(one) == MAIL_CHANNEL)
    trial = MailTrial(way.transport, head, next(people, None), draw=secrets.randbits, wake=wake)
    commands = AlertCommands(notifier, trial, secrets.randbits)
    return Telling(notifier, commands, Snapshots(secrets.randbits))
