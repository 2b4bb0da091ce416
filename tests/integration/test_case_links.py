"""A department's private link: what it says before the PIN, what it needs to be changed, and how it ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from fixtures_web import Office
from sqlalchemy import Connection

from access.permissions import Role
from access.users import Principal, Via
from crm.cases.cases import Case, CaseKind, CaseSource, CaseState, Grade, NewCase
from storage import case_links, cases, customers
from telephony.hours import CalendarOptions, WorkingTime
from telephony.numbers import E164

HOURS = WorkingTime.from_options(CalendarOptions())
NAME, NUMBER = "欧阳明月", "+8613912345678"


class Door:
    """A case with a link, and a browser without an account."""

    def __init__(self, office: Office) -> None:
        self.office = office
        now = office.clock.now()
        by = Principal(
            role=Role.AGENT, via=Via.SESSION, name="agent", user_id=office.users["agent"].id, proof_id=""
        )

        def work(connection: Connection) -> tuple[Case, str, str]:
            person = customers.add_customer(connection, name=NAME, now=now)
            customers.add_contact(connection, person.id, E164(NUMBER), now, primary=True)
            case, _new = cases.open_case(
                connection,
                NewCase(
                    kind=CaseKind.COMPLAINT,
                    grade=Grade.ORDINARY,
                    source=CaseSource.CALL,
                    subject="返修一次未解决",
                    words="还是响",
                    customer_id=person.id,
                    department="service",
                ),
                by=by,
                now=now,
                hours=HOURS,
            )
            after, _link, secret, pin = case_links.make(
                connection, case, actor=cases.actor_of(by), now=now, hours=HOURS
            )
            return after, secret, pin

        self.case, self.secret, self.pin = office.database.write_now(work)
        self.address = f"{office.base}/l/case/{self.secret}"
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def look(self) -> tuple[int, str, Any]:
        async with self.session.get(self.address, headers={"Accept": "text/html"}) as answer:
            return answer.status, await answer.text(), answer.headers

    async def send(self, **form: str) -> tuple[int, str]:
        async with self.session.post(self.address, data=form, headers={"Accept-Language": "zh"}) as answer:
            return answer.status, await answer.text()

    async def enter(self) -> str:
        """With the PIN; the page's own token."""
        status, text = await self.send(step="pin", pin=self.pin)
        assert status == 200
        return text.split('name="csrf" value="')[1].split('"')[0]

    @property
    def now(self) -> Case:
        return self.office.database.read_now(lambda c: cases.get_case(c, self.case.id))


@pytest.fixture
async def door(office: Office) -> Any:
    made = Door(office)
    yield made
    await made.session.close()


async def test_before_the_pin_it_says_nothing_of_the_case(door: Door) -> None:
    status, text, headers = await door.look()
    assert status == 200
    assert "返修" not in text
    assert door.case.number not in text
    assert headers["X-Robots-Tag"] == "noindex, nofollow, noarchive"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "same-origin"


async def test_with_the_pin_it_names_no_more_than_the_department_needs(door: Door) -> None:
    await door.enter()
    _status, text, _headers = await door.look()
    assert "返修一次未解决" in text
    assert "欧阳先生/女士" in text
    assert NAME not in text
    assert NUMBER[3:] not in text


async def test_five_wrong_pins_lock_it_for_the_right_one_too(door: Door) -> None:
    wrong = "000000" if door.pin != "000000" else "000001"
    for left in (4, 3, 2, 1):
        status, text = await door.send(step="pin", pin=wrong)
        assert (status, f"还可以试 {left} 次" in text) == (403, True)
    status, text = await door.send(step="pin", pin=wrong)
    assert (status, "链接已失效" in text) == (410, True)
    status, text = await door.send(step="pin", pin=door.pin)
    assert (status, "链接已失效" in text) == (410, True)


async def test_a_step_needs_the_visit_and_the_pages_own_token(door: Door) -> None:
    asked = {"step": "accept", "name": "刘经理", "version": str(door.case.version)}
    status, _text = await door.send(**asked)  # nobody gave a PIN
    assert status == 403
    await door.enter()
    status, _text = await door.send(**asked, csrf="of another page")
    assert status == 403
    csrf = await door.enter()
    async with door.session.post(
        door.address, data={**asked, "csrf": csrf}, headers={"Origin": "https://elsewhere.example"}
    ) as answer:
        assert answer.status == 403
    assert door.now.state is CaseState.ASSIGNED
    status, text = await door.send(**asked, csrf=csrf)
    assert (status, "已受理" in text) == (200, True)
    assert door.now.state is CaseState.ACCEPTED


async def test_a_cookie_of_one_link_opens_no_other(door: Door, office: Office) -> None:
    await door.enter()
    other = Door(office)
    try:
        cookie = next(one.value for one in door.session.cookie_jar if one.key == "careline_link_case")
        async with other.session.get(other.address, cookies={"careline_link_case": cookie}) as answer:
            assert "返修" not in await answer.text()
    finally:
        await other.session.close()


async def test_the_pin_is_asked_again_after_half_an_hour(door: Door) -> None:
    await door.enter()
    door.office.clock.advance(31 * 60)
    _status, text, _headers = await door.look()
    assert "返修" not in text


async def test_who_comes_second_reads_what_happened_and_loses_nothing(door: Door) -> None:
    csrf = await door.enter()
    stale = str(door.case.version)
    await door.send(step="accept", name="刘经理", version=stale, csrf=csrf)
    status, text = await door.send(
        step="reply",
        name="赵主管",
        version=stale,
        csrf=csrf,
        cause="螺栓松动",
        plan="重新紧固",
        responsibility="ours",
        carry_out_on=(door.office.clock.now() + timedelta(days=2)).date().isoformat(),
    )
    assert status == 409
    assert "螺栓松动" in text
    assert "情况已有变化" in text
    assert door.now.state is CaseState.ACCEPTED


async def test_a_link_that_is_over_or_unknown_says_so(door: Door) -> None:
    async with door.session.get(f"{door.office.base}/l/case/{'x' * 43}") as answer:
        assert answer.status == 404
        assert "没有这个链接" in await answer.text()
    door.office.clock.advance(40 * 86_400)
    status, text, _headers = await door.look()
    assert (status, "链接已过期" in text) == (410, True)


async def test_an_address_that_knocks_too_often_waits(door: Door) -> None:
    for _ in range(60):
        status, text, headers = await door.look()
        if status == 429:
            break
    assert status == 429
    assert int(headers["Retry-After"]) >= 1
    assert "请稍候" in text
