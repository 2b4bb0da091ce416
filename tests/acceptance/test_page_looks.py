"""Every page one may open without more, in a real Chromium: both languages, both themes, two widths.

No complaint, nothing that scrolls sideways, a name for every control, text that can be read (WCAG 2.1, 1.4.3: 4.5 to 1,
3 to 1 where it is large), and Tab going from the top to the end in the order in which things stand.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Literal

import pytest
from fixtures_web import PASSWORD, Office, OfficeMaker
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect
from sqlalchemy import Connection

from access.permissions import GRANTS, Role
from storage import customers
from telephony.numbers import E164
from web.app import ROUTES

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
#: Needs two records to compare; test_groups_page.py looks at it.
NOT_ALONE = {"/duplicates/compare", "/corrections/new", "/desk/bulletins"}
WIDTHS = (1440, 1024)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
#: This house has no switch, so nobody has a telephone in the page.
NO_TELEPHONE = "/api/v1/desk/phone"

#: What is wrong on the page as it stands; an empty list where nothing is.
LOOK = """() => {
  const wrong = [];
  const seen = (one) => one.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const say = (one) => one.tagName.toLowerCase() + (one.id ? '#' + one.id : '') + ' ' +
    (one.getAttribute('class') ?? '') + ' "' + (one.textContent ?? '').trim().slice(0, 30) + '"';
  if (document.documentElement.scrollWidth > innerWidth) {
    const wide = [...document.querySelectorAll('body *')]
      .filter((one) => seen(one) && one.getBoundingClientRect().right > innerWidth + 1).at(-1);
    wrong.push('scrolls sideways: ' + (wide ? say(wide) : '?'));
  }
  const name = (one) => {
    const by = (one.getAttribute('aria-labelledby') ?? '').split(' ')
      .map((id) => document.getElementById(id)?.textContent);
    return [one.getAttribute('aria-label'), ...by, ...[...(one.labels ?? [])].map((label) => label.textContent),
      one.matches('button, a, summary') ? one.textContent : '', one.title,
      one.querySelector('img[alt]')?.alt].join('').trim();
  };
  const controls = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]';
  for (const one of document.querySelectorAll(controls)) {
    if (seen(one) && !name(one)) wrong.push('no name: ' + say(one));
    if (one.tabIndex > 0) wrong.push('out of order: ' + say(one));
  }
  // Contrast: the text's colour over what is painted behind it, layer by layer.
  const pen = Object.assign(document.createElement('canvas'), { width: 1, height: 1 })
    .getContext('2d', { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      pen.clearRect(0, 0, 1, 1); pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, g, b, a / 255]);
    }
    return known.get(colour);
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => (v /= 255, v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const done = new Set();
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || done.has(one) || one.closest('script, style, option, :disabled')) continue;
    done.add(one);
    if (!seen(one) || one.closest('.unseen, .skip')) continue;
    const style = getComputedStyle(one);
    const layers = []; let faint = 1;
    for (let up = one; up; up = up.parentElement) {
      const look = getComputedStyle(up);
      faint *= Number(look.opacity);
      const paint = rgba(look.backgroundColor);
      if (paint[3] > 0) layers.push(paint);
      if (paint[3] === 1) break;
    }
    let ground = [255, 255, 255];
    for (const paint of layers.reverse()) ground = over(paint, ground);
    const ink = rgba(style.color);
    const [a, b] = [light(over([...ink.slice(0, 3), ink[3] * faint], ground)), light(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (size > 0 && ratio < (large ? 3 : 4.5)) wrong.push(`contrast ${ratio.toFixed(2)}: ${say(one)}`);
  }
  return wrong;
}"""

#: Where Tab has gone: [a word for the element, whether focus shows, its place among those that can be reached].
FOCUS = """() => { const one = document.activeElement;
  if (!one || one === document.body) return null;
  const all = [...document.querySelectorAll('*')];
  const style = getComputedStyle(one);
  const rest = one.matches(':focus-visible') && (style.outlineStyle !== 'none' || style.boxShadow !== 'none');
  return [one.tagName + (one.id ? '#' + one.id : ''), rest, all.indexOf(one)]; }"""

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install chromium"),
    pytest.mark.slow,
]


def pages_of(role: Role) -> list[str]:
    """Pages without a parameter in their path that a role may open, as the route table has them."""
    return [
        route.path
        for route in ROUTES
        if route.method == "GET"
        and route.page is not None
        and route.media == "text/html"
        and "{" not in route.path
        and route.path not in NOT_ALONE
        and route.needs in GRANTS[role]
    ]


def walks() -> Iterable[tuple[Role, str, Sequence[str]]]:
    """Who looks in which language at what: a manager sees all an agent does, an administrator the settings."""
    manager = pages_of(Role.MANAGER)
    assert set(pages_of(Role.AGENT)) <= set(manager)
    settings = [path for path in pages_of(Role.ADMIN) if path not in manager]
    for language in ("zh-CN", "en"):
        yield Role.MANAGER, language, manager
        yield Role.ADMIN, language, settings


@pytest.fixture
async def house(make_office: OfficeMaker) -> Office:
    office = await make_office()
    for role in (Role.AGENT, Role.MANAGER, Role.ADMIN):
        office.add_user(role.value, role, name="欧阳建国")
    now = office.clock.now()

    def work(connection: Connection) -> None:
        for place in range(3):
            person = customers.add_customer(connection, name=f"李小{place}", now=now, key_account=place == 0)
            customers.add_contact(connection, person.id, E164(f"+861380000000{place}"), now, primary=True)

    office.database.write_now(work)
    for _ in range(3):
        office.add_call(queue="service")
    return office


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


async def signed_in(browser: Browser, house: Office, role: Role, language: str) -> tuple[Page, list[str]]:
    """A page of its own browser context, and what its console complains about."""
    context = await browser.new_context(
        viewport={"width": WIDTHS[0], "height": 860},
        locale=language,
        reduced_motion="reduce",
    )
    page = await context.new_page()
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error" and NO_TELEPHONE not in message.location["url"]:
            said.append(f"{message.text} {message.location['url']}")

    page.on("console", hear)
    page.on("pageerror", lambda error: said.append(str(error)))
    await page.goto(f"{house.base}/login?language={language}")
    for found in await page.evaluate(LOOK):
        said.append(f"/login {found}")
    await page.fill("#login", role.value)
    await page.fill("#password", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".bar")
    csrf = await page.locator("form[action='/profile'] input[name=csrf]").first.get_attribute("value")
    await context.request.post(
        f"{house.base}/profile",
        form={"csrf": csrf or "", "language": language, "next": "/"},
        headers={"Origin": house.base},
        max_redirects=0,
    )
    return page, said


async def test_what_is_wrong_is_seen(browser: Browser) -> None:
    page = await browser.new_page(viewport={"width": 800, "height": 600})
    await page.set_content(
        """<body style="background: #fff; color: #000"><p style="color: #777">pale</p><p>good</p>
        <p style="background: #222; color: #ddd">good too</p><b style="opacity: .4">faint</b>
        <button></button><input><label>Name <input></label><a href="/">here</a>
        <i style="display: block; width: 900px">wide</i><button tabindex="3">jumps</button>"""
    )
    found = [" ".join(one.split()[:2]) for one in await page.evaluate(LOOK)]
    assert found == [
        "scrolls sideways:",
        "no name:",
        "no name:",
        "out of",
        "contrast 4.48:",
        "contrast 2.85:",
    ]


async def test_every_page_can_be_read_and_nothing_runs_over(browser: Browser, house: Office) -> None:
    found: set[str] = set()
    for role, language, paths in walks():
        page, said = await signed_in(browser, house, role, language)
        assert paths
        for path in paths:
            answer = await page.goto(house.base + path, wait_until="domcontentloaded")
            assert answer is not None
            if answer.status != 200:
                found.add(f"{path} answers {answer.status}")
            spoken = await page.locator("html").get_attribute("lang")
            assert spoken == language, f"{role} {path}: {spoken} {(await page.inner_text('body'))[:200]}"
            for theme in THEMES:
                await page.emulate_media(color_scheme=theme)
                for width in WIDTHS:
                    await page.set_viewport_size({"width": width, "height": 860})
                    wrong: list[str] = await page.evaluate(LOOK)
                    found |= {f"{role} {language} {theme} {width} {path} {one}" for one in wrong}
        found |= {f"{role} {language} {one}" for one in said}
        await page.context.close()
    assert sorted(found) == []


async def test_tab_goes_from_the_top_to_the_end_and_menus_open_by_keys(
    browser: Browser, house: Office
) -> None:
    page, said = await signed_in(browser, house, Role.MANAGER, "zh-CN")
    for path in ("/customers", "/tasks", "/desk", "/me"):
        await page.goto(house.base + path, wait_until="domcontentloaded")
        await page.evaluate("() => { document.activeElement?.blur(); window.scrollTo(0, 0); }")
        places: list[int] = []
        for _ in range(14):
            await page.keyboard.press("Tab")
            focus = await page.evaluate(FOCUS)
            if focus is None:
                break
            assert focus[1], f"{path}: focus does not show on {focus[0]}"
            places.append(focus[2])
        assert len(places) > 6, path
        assert places == sorted(places), path
    more = page.locator(".nav .menu summary")
    await more.focus()
    await page.keyboard.press("Enter")
    first = page.locator(".nav .menu .sheet a").first
    await expect(first).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(first).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(first).to_be_hidden()
    await expect(more).to_be_focused()
    assert said == []
