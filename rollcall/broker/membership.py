"""Which nodes a broker lets in: give a node its credential, look it up, take it away.

With certificates the authority's register says who belongs; with passwords the password file does.
A change takes effect at the broker's next reload, which is the caller's to ask for.
"""

import datetime as dt
from dataclasses import dataclass

from rollcall.broker import passwords
from rollcall.broker.broker_folder import BrokerFolder, BrokerFolderError
from rollcall.broker.certificates import Purpose, details
from rollcall.broker.credentials import Authority, Issued, new_password
from rollcall.broker.enrolment import Bundle, Welcome
from rollcall.broker.folder_setup import remove_password, set_password
from rollcall.broker.mosquitto_conf import Profile
from rollcall.broker.topics import is_node_name


@dataclass(frozen=True, slots=True)
class Membership:
    """The nodes of the broker in a folder. Raises BrokerFolderError, CredentialError, OSError."""

    broker: BrokerFolder

    def require_enrolment(self) -> None:
        """Raise BrokerFolderError where every node is let in without a credential."""
        if self.broker.plan.profile is Profile.LOOPBACK:
            raise BrokerFolderError(
                "this broker is for this machine alone and asks nobody for a credential; "
                "try: rollcall broker init --profile tls"
            )
        Authority.open(self.broker.authority.folder)

    def address(self, asked: str | None) -> str:
        """Give the name under which nodes are to reach this machine.

        Raises BrokerFolderError when the broker's certificate does not hold for it.
        """
        plan = self.broker.plan
        known = tuple(dict.fromkeys((*plan.names, *plan.hosts, *plan.addresses)))
        if asked is None:
            return known[0]
        if asked not in known:
            raise BrokerFolderError(
                f"the broker's certificate does not hold for {asked}, only for "
                f"{', '.join(known)}; try: rollcall broker init --name {asked}"
            )
        return asked

    def names(self) -> frozenset[str]:
        """Give every node that has, or had, a credential."""
        known = {one.name for one in self._issued()}
        if self._uses_passwords:
            known |= passwords.users(self.broker.password_file.read_text("utf-8"))
        return frozenset(name for name in known if is_node_name(name))

    def has(self, node: str, now: dt.datetime) -> bool:
        """Say whether the broker lets `node` in."""
        if self._uses_passwords:
            return node in passwords.users(self.broker.password_file.read_text("utf-8"))
        return self.valid_until(node, now) is not None

    def valid_until(self, node: str, now: dt.datetime) -> dt.datetime | None:
        """Give the end of the longest certificate of `node`; None when none is valid."""
        ends = [one.not_after for one in self._issued() if one.name == node and one.is_valid(now)]
        return max(ends, default=None)

    def newest(self, node: str) -> Issued | None:
        """Give the newest certificate of `node`, valid or not."""
        return next((one for one in reversed(self._issued()) if one.name == node), None)

    def welcome(self, node: str, host: str, request_pem: str, now: dt.datetime) -> Welcome:
        """Let `node` in, with the key that it made itself; it will reach the broker at `host`."""
        if self._uses_passwords:
            return self._welcome(node, host, password=self._set_password(node))
        certificate = self.broker.authority.sign_request(request_pem, node, now=now)
        return self._welcome(node, host, certificate=certificate)

    def bundle(self, node: str, host: str, now: dt.datetime) -> Bundle:
        """Let `node` in with a key made here."""
        if self._uses_passwords:
            welcome = self._welcome(node, host, password=self._set_password(node))
            return Bundle(welcome=welcome)
        made = self.broker.authority.issue_client(node, now=now)
        welcome = self._welcome(node, host, certificate=made.certificate_pem)
        return Bundle(welcome=welcome, key=made.key_pem)

    def supersede(self, welcome: Welcome, now: dt.datetime) -> bool:
        """Revoke every certificate of a node but the one it was just given.

        Says whether the broker has to reload: it knows an older credential, or not yet this one.
        """
        if welcome.certificate is None:
            return True
        newest = f"{details(welcome.certificate).serial:x}"
        return bool(self.broker.authority.revoke(welcome.node, now=now, but=newest))

    def remove(self, node: str, now: dt.datetime) -> None:
        """Let `node` in no more; done twice, it is done once."""
        self.broker.authority.revoke(node, now=now)
        if self._uses_passwords:
            remove_password(self.broker, node)

    @property
    def _uses_passwords(self) -> bool:
        return self.broker.plan.profile is Profile.PASSWORD

    def _issued(self) -> tuple[Issued, ...]:
        issued = self.broker.authority.issued()
        return tuple(one for one in issued if one.purpose is Purpose.CLIENT)

    def _set_password(self, node: str) -> str:
        password = new_password()
        set_password(self.broker, node, password)
        return password

    def _welcome(
        self, node: str, host: str, *, certificate: str | None = None, password: str | None = None
    ) -> Welcome:
        return Welcome(
            node=node,
            host=host,
            port=self.broker.plan.port,
            prefix=self.broker.plan.prefix,
            authority=self.broker.authority.certificate_pem,
            certificate=certificate,
            password=password,
        )
