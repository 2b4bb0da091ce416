"""Agents' pages in a real Chromium with a pretended microphone, over a whole house."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from fixtures_house import House, until
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from waiting import PATIENCE

from config.site import Person

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
]
#: Keeps every connection of the page, so that a test can count what went over it.
_COUNTED = """
(() => {
  const Made = window.RTCPeerConnection;
  window.lines = [];
  window.RTCPeerConnection = class extends Made {
    constructor(...given) { super(...given); window.lines.push(this); }
  };
})();
"""

_STATS = """
async () => {
  const line = window.lines.at(-1);
  const found = {received: 0, sent: 0, energy: 0, codec: "", dtls: "", lines: window.lines.length};
  if (!line) return found;
  (await line.getStats()).forEach((one) => {
    if (one.type === "inbound-rtp") found.received += one.packetsReceived;
    if (one.type === "inbound-rtp") found.energy += one.totalAudioEnergy ?? 0;
    if (one.type === "outbound-rtp") found.sent += one.packetsSent;
    if (one.type === "codec") found.codec = one.mimeType;
    if (one.type === "transport") found.dtls = one.dtlsState;
  });
  return found;
}
"""


@dataclass
class Seat:
    """One person at one page."""

    house: House
    person: Person
    page: Page
    context: BrowserContext
    browser: Browser
    complaints: list[str] = field(default_factory=list)
    #: Addresses of the telephone's lines, in the order they were opened.
    sockets: list[str] = field(default_factory=list)

    async def sign_in(self, path: str = "/desk") -> None:
        """By the form, as a person does."""
        await self.page.goto(f"{self.house.site.pages}{path}")
        await self.page.fill("#login", self.person.login)
        await self.page.fill("#password", self.person.password)
        await self.page.keyboard.press("Enter")
        await self.page.wait_for_selector("#callbar [data-slot=line]")

    async def open_again(self) -> None:
        """A new page of the same browser, still signed in."""
        self.page = await self.context.new_page()
        await self.page.goto(f"{self.house.site.pages}/desk")
        await self.page.wait_for_selector("#callbar [data-slot=line]")

    async def let_microphone(self, setting: str) -> None:
        """What the browser was told about the microphone: granted, denied, prompt."""
        if setting == "granted":
            await self.context.grant_permissions(["microphone"], origin=self.house.site.pages)
            return
        page = await self.context.new_cdp_session(self.page)
        target = await page.send("Target.getTargetInfo")
        root = await self.browser.new_browser_cdp_session()
        await root.send(
            "Browser.setPermission",
            {
                "origin": self.house.site.pages,
                "permission": {"name": "microphone"},
                "setting": setting,
                "browserContextId": target["targetInfo"]["browserContextId"],
            },
        )
        await root.detach()
        await page.detach()

    async def line(self, *states: str, seconds: float = PATIENCE) -> None:
        """Wait until the telephone says one of these."""

        async def look() -> bool:
            return await self.line_now() in states

        try:
            await until(look, seconds)
        except AssertionError as error:
            shown = f"{await self.line_now()}: {await self.words()}; {self.complaints}"
            raise AssertionError(f"{self.person.login} never {'/'.join(states)}, but {shown}") from error

    async def line_now(self) -> str:
        found = await self.page.query_selector("[data-slot=line]")
        return str(await found.get_attribute("data-line")) if found else ""

    async def words(self) -> str:
        return await self.page.inner_text("[data-slot=line] .ph-words")

    async def stats(self) -> dict[str, Any]:
        return dict(await self.page.evaluate(_STATS))

    async def hears(self, seconds: float = PATIENCE) -> None:
        """Packets come in with sound in them, and go out."""
        before = await self.stats()

        async def look() -> bool:
            now = await self.stats()
            return bool(
                now["received"] >= before["received"] + 40
                and now["sent"] >= before["sent"] + 40
                and now["energy"] > before["energy"]
            )

        try:
            await until(look, seconds)
        except AssertionError as error:
            raise AssertionError(
                f"{self.person.login} hears nothing: {before}, {await self.stats()}"
            ) from error

    async def press(self, act: str) -> None:
        """A button of the call bar, as soon as it can be pressed."""
        button = self.page.locator(f'[data-act="{act}"]')
        await expect(button).to_be_visible()
        await button.click()

    async def hand_to(self, name: str, how: str) -> None:
        """The transfer dialog: the target of this name; `how`: consult, conference or transfer."""
        await self.press("transfer")
        row = self.page.locator('[data-place="targets"] li', has_text=name)
        await row.locator(f'[data-how="{how}"]').click()

    async def state(self, *states: str, seconds: float = PATIENCE) -> None:
        async def look() -> bool:
            return await self.house.agent_state(self.person.login) in states

        await until(look, seconds, saying=f"{self.person.login} never {'/'.join(states)}")


@dataclass
class Seats:
    """A browser that gives people their pages."""

    house: House
    browser: Browser
    taken: list[Seat] = field(default_factory=list)

    async def take(self, login: str, *, microphone: str = "granted", sign_in: bool = True) -> Seat:
        """A page of a fresh browser profile; `microphone`: what the browser was told about it."""
        context = await self.browser.new_context(viewport={"width": 1440, "height": 900}, locale="zh-CN")
        await context.add_init_script(_COUNTED)
        page = await context.new_page()
        seat = Seat(
            house=self.house,
            person=self.house.person(login),
            page=page,
            context=context,
            browser=self.browser,
        )
        await seat.let_microphone(microphone)
        page.on("console", lambda said: seat.complaints.append(said.text) if said.type == "error" else None)
        page.on("websocket", lambda opened: seat.sockets.append(opened.url))
        page.on("pageerror", lambda error: seat.complaints.append(str(error)))
        self.taken.append(seat)
        if sign_in:
            await seat.sign_in()
        return seat


def _trusting(house: House) -> list[str]:
    """What makes the browser find the name of a house with https, and trust the key of its certificate alone."""
    tls, pages = house.site.settings.web.tls, urlsplit(house.site.pages)
    if not tls.certificate:
        return []
    openssl = shutil.which("openssl") or "openssl"
    public = subprocess.run(
        [openssl, "x509", "-in", tls.certificate, "-noout", "-pubkey"], capture_output=True, check=True
    ).stdout
    der = ssl.PEM_cert_to_DER_cert(public.decode().replace("PUBLIC KEY", "CERTIFICATE"))
    pin = base64.b64encode(hashlib.sha256(der).digest()).decode()
    return [
        f"--host-resolver-rules=MAP {pages.hostname} 127.0.0.1",
        f"--ignore-certificate-errors-spki-list={pin}",
    ]


@asynccontextmanager
async def a_browser(house: House) -> AsyncIterator[Seats]:
    """Chromium with a pretended microphone that beeps once a second."""
    async with async_playwright() as play:
        more = await asyncio.to_thread(_trusting, house)
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *more])
        try:
            yield Seats(house=house, browser=browser)
        finally:
            await browser.close()


__all__ = ["CHROMIUM", "Seat", "Seats", "a_browser"]
