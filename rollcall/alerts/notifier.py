"""From changes of alerts to mails on their way: incidents, finished bytes, the channel.

Everything is in the outbox before it happens: an incident before its mail, a mail before it is
sent. What a crash interrupts is found there, and goes on.
"""

import logging
from collections.abc import Callable, Iterable, Mapping

from rollcall.alerts import grouping
from rollcall.alerts.delivery import DeliveryQueue, MailKey, MailState, QueuedMail, Sent
from rollcall.alerts.grouping import Incident, MailKind
from rollcall.alerts.mail import Letterhead, Notification, compose
from rollcall.alerts.outbox import Outbox, Stored
from rollcall.alerts.rules import Rule, Timing
from rollcall.alerts.sender import Sender
from rollcall.alerts.state import Change
from rollcall.broker.cluster import Now
from rollcall.broker.messages import Info

_log = logging.getLogger(__name__)


class Notifier:
    """Tells people: owns the open incidents and the mails that are not out yet.

    `recipients` are the addresses for the envelope, one copy each; `draw(bits)` gives random bits;
    `info_of` what is known of a node.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        sender: Sender,
        queue: DeliveryQueue,
        head: Letterhead,
        recipients: Iterable[str],
        draw: Callable[[int], int],
    ) -> None:
        self._outbox = outbox
        self._sender = sender
        self._queue = queue
        self._head = head
        self._recipients = tuple(recipients)
        self._draw = draw
        self._incidents: dict[str, Incident] = {}

    def restore(self, stored: Stored) -> None:
        """Take up what was going on before a restart; a mail that was being sent goes again."""
        self._incidents = {incident.rule: incident for incident in stored.incidents}
        self._queue.add(stored.mails)
        self._queue.dead = stored.dead

    def take(self, changes: Iterable[Change], rules: Mapping[str, Rule], now: Now) -> None:
        """Note what happened to alerts; written with the outbox's next commit."""
        for change in changes:
            if change.is_transition:
                self._outbox.put_alert(change.key, change.after)
            self._note(change, rules.get(change.key.rule), now)

    def tick(
        self,
        rules: Mapping[str, Rule],
        info_of: Callable[[str], Info | None],
        source: str,
        now: Now,
    ) -> None:
        """Write the mails that are due, take outcomes, and send the next mail."""
        for incident in list(self._incidents.values()):
            rule = rules.get(incident.rule)
            timing = rule.timing if rule else Timing()
            decision = grouping.due(incident, timing, now.monotonic_s)
            if incident.is_over_untold:
                self._drop(incident)
            elif decision.kind is not None:
                _log.info("incident %s: %s: %s", incident.id, decision.kind, decision.reason)
                nodes = {key.node: info_of(key.node) for key in incident.members}
                told = Notification(decision.kind, incident, rule, nodes, source, now.wall_s)
                self._tell(told, now)
        self._settle(now)
        self._outbox.commit(now)
        self._send_next(now)

    def finish(self, now: Now) -> None:
        """Wait, for ten seconds at most, for the mail under way, and note what became of it."""
        self._sender.stop()
        self._settle(now)
        self._outbox.commit(now)

    def incident_of(self, rule: str) -> str | None:
        """Give the id of the open incident of `rule`."""
        incident = self._incidents.get(rule)
        return incident.id if incident else None

    def _note(self, change: Change, rule: Rule | None, now: Now) -> None:
        incident = self._incidents.get(change.key.rule)
        if incident is None:
            if rule is None or change.after is None or not change.after.is_told:
                return
            incident = grouping.opened(rule, self._draw(grouping.ID_BITS), now)
        self._incidents[change.key.rule] = followed = incident.with_change(change, now)
        if change.is_transition and followed is not incident:
            self._outbox.put_incident(incident.id, followed)

    def _tell(self, notification: Notification, now: Now) -> None:
        incident = notification.incident
        letter = compose(notification, self._head)
        content = letter.as_bytes()
        mails = [
            QueuedMail(
                key=MailKey(incident.id, incident.mails + 1, recipient),
                message_id=letter["Message-ID"],
                content=content,
                created_at=now.wall_s,
            )
            for recipient in self._recipients
        ]
        self._queue.add(mails)
        self._outbox.put_mails(mails)
        if notification.kind is MailKind.END:
            self._drop(incident)
        else:
            self._incidents[incident.rule] = told = incident.with_mail(now)
            self._outbox.put_incident(incident.id, told)

    def _drop(self, incident: Incident) -> None:
        del self._incidents[incident.rule]
        self._outbox.put_incident(incident.id, None)

    def _settle(self, now: Now) -> None:
        for key, outcome in self._sender.results():
            mail = self._queue.settle(key, outcome, now)
            self._outbox.put_mails([mail])
            if isinstance(outcome, Sent):
                _log.info("mail %s to %s is sent", mail.message_id, key.recipient)
            else:
                state = "is given up" if mail.state is MailState.DEAD else "waits"
                _log.warning("mail %s %s: %s", mail.message_id, state, mail.error)

    def _send_next(self, now: Now) -> None:
        if not self._sender.is_idle:
            return
        mail = self._queue.start_next(now.monotonic_s)
        if mail is not None:
            self._outbox.put_mails([mail])
            self._outbox.commit(now)
            self._sender.submit(mail)
