"""A real Chromium that looks at the dashboard, and keeps an account of what must not happen."""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPMessage
from importlib import resources
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from rollcall.broker.mosquitto import free_port
from rollcall.dashboard.entry import Entry
from tests.support.mqtt import BrokerUnderTest
from tests.support.program import ProgramUnderTest
from tests.support.waiting import wait_until


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give Debian's Chromium, headless."""
    path = shutil.which("chromium")
    assert path is not None, "chromium is missing; ./run test installs it"
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    playwright: Playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class DashboardUnderTest(ProgramUnderTest):
    """The dashboard as a process of its own, on a free port, on the broker of the test."""

    def __init__(self, folder: Path, broker: BrokerUnderTest, **more: object) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = f"sqlite:///{folder / 'rollcall.db'}"
        self.settings: dict[str, object] = {
            "ROLLCALL_BROKER__PORT": broker.port,
            "ROLLCALL_CLUSTER__NAME": "test",
            "ROLLCALL_RECORDER__DATABASE": self.database_url,
            "ROLLCALL_DASHBOARD__LISTEN": f"127.0.0.1:{self.port}",
            "ROLLCALL_DASHBOARD__STATE_DIR": folder / "dashboard",
            **more,
        }
        self.state_dir = folder / "dashboard"
        super().__init__("rollcall.dashboard", folder, settings=self.settings)

    def launch(self) -> None:
        super().launch()
        wait_until(self.answers, 20, what="the dashboard's answer")

    def answers(self) -> bool:
        try:
            return self.ask("GET", "/health")[0] == HTTPStatus.OK
        except OSError:
            return False

    def ask(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> tuple[int, HTTPMessage, bytes]:
        """Send one request as a program would; give status, headers and body."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.msg, answer.read()
        finally:
            connection.close()


class Visitor:
    """A page, and what went wrong on it: console errors, refused loads, foreign requests."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.faults: list[str] = []
        self.foreign: list[str] = []
        self.url = url
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", self._note_request)

    def _note_console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(message.text)

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.foreign.append(request.url)

    def wait_for_address(self, suits: Callable[[str], bool]) -> None:
        """Wait until the address suits; `page.url` alone changes only while the driver is asked."""
        self.page.wait_for_url(suits, timeout=10_000)

    def row(self, node: str) -> str:
        """Give the text of a node's row; empty when there is none."""
        found = self.page.locator("tbody tr", has=self.page.get_by_role("link", name=node))
        return re.sub(r"\s+", " ", found.first.inner_text()) if found.count() else ""

    def wait_for_row(self, node: str, text: str, timeout_s: float = 10) -> str:
        """Wait until the row of `node` has `text`; give the row."""
        return wait_until(
            lambda: row if text in (row := self.row(node)) else None,
            timeout_s,
            what=f"{text!r} in the row of {node}",
        )


def violations(page: Page) -> list[tuple[str, list[str]]]:
    """Give what axe finds against WCAG 2.2 AA: rules, and the elements that break them."""
    source = (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
    page.evaluate(source + ";0")
    found = page.evaluate("() => axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})")
    return [
        (fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found["violations"]
    ]


@contextmanager
def visiting(browser: Browser, dashboard: DashboardUnderTest) -> Iterator[Visitor]:
    """Give a visitor who used a login link; at the end nothing may have gone wrong on the page."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    try:
        guest = Visitor(context, dashboard.url)
        token = Entry(dashboard.state_dir).make_link(time.time())
        guest.page.goto(f"{dashboard.url}/login/{token}")
        guest.page.wait_for_selector("header")
        yield guest
        assert not guest.faults, guest.faults
        assert not guest.foreign, guest.foreign
    finally:
        context.close()
