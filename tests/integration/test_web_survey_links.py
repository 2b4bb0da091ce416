"""The customer's survey page over HTTP: plain forms, one browser, no bot, no second end; and who offers it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientResponse
from fixtures_web import Browser, Office, OfficeMaker
from sqlalchemy import Connection, func, select

from access.permissions import Role
from access.users import Principal, Via
from config.books import survey_seed
from crm.cases.cases import CaseKind, CaseSource, Grade, NewCase
from crm.records.customers import Honorific
from crm.records.vehicles import Role as VehicleRole
from crm.surveys.questionnaires import Channel
from crm.surveys.states import VersionStep
from storage import cases, customers, questionnaires, responses, vehicles
from storage.tables.cases import cases as case_rows
from storage.tables.surveys import responses as response_rows
from telephony.hours import WorkingTime
from telephony.options import CalendarOptions
from web.link_visits import PER_MINUTE

HOURS = WorkingTime.from_options(CalendarOptions())
#: Of the service visit, in order: what the forms send.
HAPPY: tuple[tuple[str, dict[str, str]], ...] = (
    ("overall", {"value": "5"}),
    ("fixed", {"value": "fixed"}),
    ("advisor", {"value": "5"}),
    ("on_time", {"value": "in_time"}),
    ("price", {"value": "clear"}),
    ("mileage", {"skip": "1"}),
    ("recommend", {"value": "10"}),
    ("improve", {"value": ""}),
)


@dataclass
class Desk:
    """An agent who offers surveys, and a customer with a car."""

    office: Office
    agent: Browser
    customer: str
    vehicle: str

    async def link(self, **more: Any) -> str:
        body = {"questionnaire": "service_visit", "customer_id": self.customer, "vehicle_id": self.vehicle}
        made = await self.agent.post("/api/v1/survey-links", body | more)
        assert made.status == 201, await made.text()
        return str((await made.json())["path"])

    async def offers(self) -> list[dict[str, Any]]:
        answer = await self.agent.get(f"/api/v1/customers/{self.customer}/survey-links")
        items: list[dict[str, Any]] = (await answer.json())["items"]
        return items

    def count(self, table: Any) -> int:
        return int(
            self.office.database.read_now(
                lambda c: c.execute(select(func.count()).select_from(table)).scalar_one()
            )
        )


@pytest.fixture
async def desk(office: Office) -> Desk:
    office.add_user("agent1", Role.AGENT)
    now = office.clock.now()

    def work(c: Connection) -> tuple[str, str]:
        survey_seed.seed(c, now)
        person = customers.add_customer(c, name="欧阳建国", honorific=Honorific.MR, now=now)
        car = vehicles.add_vehicle(c, now=now, plate="沪A12345", brand="大众", model="朗逸")
        vehicles.add_person(c, car.id, person.id, VehicleRole.OWNER, now)
        return person.id, car.id

    person, car = office.database.write_now(work)
    return Desk(office, await office.signed_in("agent1"), person, car)


async def begun(office: Office, link: str) -> Browser:
    """A telephone in which the customer pressed the button."""
    phone = office.browser()
    assert (await phone.get(link)).status == 200
    pressed = await phone.post(link, data={"step": "begin"})
    assert (pressed.status, pressed.headers["Location"]) == (303, link)
    return phone


async def give(phone: Browser, link: str, question: str, form: dict[str, str]) -> ClientResponse:
    return await phone.post(link, data={"step": "answer", "question": question, "rev": "1", **form})


async def fill(phone: Browser, link: str, **instead: str) -> None:
    for question, form in HAPPY:
        sent = {"value": instead[question]} if question in instead else form
        answer = await give(phone, link, question, sent)
        assert answer.status == 303, (question, await answer.text())


async def test_a_customer_fills_it_in_and_is_thanked(desk: Desk) -> None:
    link = await desk.link()
    phone = desk.office.browser()
    first = await phone.get(link, headers={"Accept-Language": "zh-CN"})
    words = await first.text()
    assert "开始填写" in words
    assert "400 800 1234" in words
    assert "欧阳" not in words
    assert first.headers["X-Robots-Tag"].startswith("noindex")
    assert first.headers["Cache-Control"] == "no-store"
    assert first.headers["Referrer-Policy"] == "same-origin"
    assert "default-src 'none'" in first.headers["Content-Security-Policy"]
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert f"Path={link}" in cookie
    assert f"Max-Age={14 * 24 * 3600}" in cookie
    assert (await desk.offers())[0]["state"] == "offered"

    await phone.post(link, data={"step": "begin"})
    page = await (await phone.get(link, headers={"Accept-Language": "zh-CN"})).text()
    assert "欧阳先生" in page
    assert "总体满意" in page
    for private in ("建国", "沪A12345", "客户原话"):
        assert private not in page
    assert (await desk.offers())[0]["state"] == "opened"
    # English by the switch, which stays.
    switched = await phone.get(f"{link}?language=en&q=overall")
    assert switched.headers["Location"] == f"{link}?q=overall"
    english = await (await phone.get(link)).text()
    assert "Hello, Mr 欧阳" in english
    assert "how satisfied" in english

    await fill(phone, link)
    looked = await (await phone.get(f"{link}?look=1")).text()
    assert "10/10" in looked
    assert "Skipped" in looked
    done = await phone.post(link, data={"step": "finish"})
    assert done.status == 303
    again = await phone.post(link, data={"step": "finish"})
    assert again.status == 303
    assert "Thank you for your answers" in await (await phone.get(link)).text()
    (offer,) = await desk.offers()
    assert offer["state"] == "answered"
    kept = desk.office.database.read_now(lambda c: responses.get_response(c, offer["response_id"]))
    assert kept.values == {
        "overall": 5,
        "fixed": "fixed",
        "advisor": 5,
        "on_time": "in_time",
        "price": "clear",
        "recommend": 10,
    }
    assert desk.count(case_rows) == 0


async def test_what_only_looks_begins_nothing(desk: Desk) -> None:
    """A message app fetches the address for its preview, more than once, and never presses a button."""
    link = await desk.link()
    for agent in ("WhatsApp/2.23", "facebookexternalhit/1.1", "MicroMessenger"):
        bot = desk.office.browser()
        assert (await bot.get(link, headers={"User-Agent": agent})).status == 200
        assert (await bot.get(f"{link}?q=overall")).status == 200
        assert (await bot.session.head(desk.office.base + link)).status in (200, 405)
    assert desk.count(response_rows) == 0
    assert (await desk.offers())[0]["opened_at"] is None
    await begun(desk.office, link)
    assert desk.count(response_rows) == 1


async def test_another_browser_is_told_what_to_do(desk: Desk) -> None:
    link = await desk.link()
    phone = await begun(desk.office, link)
    other = desk.office.browser()
    for answer in (
        await other.get(link, headers={"Accept-Language": "zh-CN"}),
        await other.post(link, data={"step": "begin"}, headers={"Accept-Language": "zh-CN"}),
        await give(other, link, "overall", {"value": "1"}),
        await other.post(link, data={"step": "finish"}),
    ):
        words = await answer.text()
        assert answer.status == 403, words
        assert "已在别处打开" in words
        assert "400 800 1234" in words
        assert "总体满意" not in words
    assert (await phone.get(link)).status == 200
    assert "overall" not in desk.office.database.read_now(
        lambda c: responses.responses_of_customer(c, desk.customer)[0].values
    )


async def test_two_first_openings_at_once_and_a_lost_answer(desk: Desk) -> None:
    link = await desk.link()
    phones = [desk.office.browser() for _ in range(4)]
    await asyncio.gather(*(one.get(link) for one in phones))
    pressed = await asyncio.gather(*(one.post(link, data={"step": "begin"}) for one in phones))
    assert sorted(one.status for one in pressed) == [303, 403, 403, 403]
    # The one who won never saw the answer and presses again: he is not locked out.
    winner = phones[[one.status for one in pressed].index(303)]
    assert (await winner.post(link, data={"step": "begin"})).status == 303
    assert desk.count(response_rows) == 1
    # A browser that keeps no cookies is told, and binds nothing.
    second = await desk.link(questionnaire="delivery_visit")
    blank = desk.office.browser()
    refused = await blank.post(second, data={"step": "begin"})
    assert refused.status == 403
    assert "Cookie" in await refused.text()
    assert (await desk.offers())[0]["state"] == "offered"


async def test_expired_revoked_and_unknown_look_alike(desk: Desk) -> None:
    link = await desk.link()
    phone = await begun(desk.office, link)
    (offer,) = await desk.offers()
    assert (await desk.agent.post(f"/api/v1/survey-links/{offer['id']}/revoke")).status == 200
    late = await desk.link(questionnaire="delivery_visit")
    desk.office.clock.advance(14 * 24 * 3600)
    told = []
    for path, status in (
        (link, 410),
        (late, 410),
        (link[:-1], 404),
        ("/l/survey/x", 404),
        ("/l/survey/%20%27%25x", 404),
        (f"/l/survey/{'x' * 150}", 404),
    ):
        answer = await phone.get(path)
        assert answer.status == status, path
        words = await answer.text()
        assert "链接无效" in words, path
        assert "Set-Cookie" not in answer.headers
        told.append(re.sub(r"\?[^\"]*", "", words))
    assert len(set(told)) == 1
    assert "400 800 1234" in told[0]
    answer = await give(phone, link, "overall", {"value": "1"})
    assert answer.status == 410
    # What stood behind the address in the message is no part of it.
    assert (await phone.get(f"{late}。")).headers["Location"] == late


async def test_refused_answers_say_why_and_keep_what_was_typed(desk: Desk) -> None:
    link = await desk.link()
    phone = await begun(desk.office, link)
    zh = {"Accept-Language": "zh-CN"}
    empty = await phone.post(link, data={"step": "answer", "question": "overall"}, headers=zh)
    assert empty.status == 422
    assert "这是必答题" in await empty.text()
    # Nothing that is not asked, not even in hand-made forms.
    odd = await phone.post(link, data={"step": "answer", "question": "symptom", "value": "x"}, headers=zh)
    assert odd.status == 409
    assert "总体满意" in await odd.text()
    assert (await give(phone, link, "nothing", {"value": "1"})).status == 409
    await give(phone, link, "overall", {"value": "2"})
    await give(phone, link, "fixed", {"value": "unfixed"})
    shown = await (await phone.get(link, headers=zh)).text()
    assert "什么现象" in shown  # the branch
    long = await give(phone, link, "symptom", {"value": "很长" * 2500})
    assert long.status == 422
    assert "很长很长" in await long.text()
    early = await phone.post(link, data={"step": "finish"})
    assert early.status == 422
    kept = desk.office.database.read_now(
        lambda c: responses.responses_of_customer(c, desk.customer)[0].values
    )
    assert kept == {"overall": 2, "fixed": "unfixed"}


async def test_a_dissatisfied_answer_opens_one_case_however_often_it_is_sent(desk: Desk) -> None:
    link = await desk.link()
    phone = await begun(desk.office, link)
    await fill(phone, link, overall="1")
    await asyncio.gather(*(phone.post(link, data={"step": "finish"}) for _ in range(3)))
    assert desk.count(case_rows) == 1
    assert (await desk.offers())[0]["dissatisfied"] is True
    page = await (await desk.agent.get(f"/customers/{desk.customer}")).text()
    assert "不满意" in page
    # The house is in touch about it now: no further link.
    refused = await desk.agent.post(
        "/api/v1/survey-links", {"questionnaire": "delivery_visit", "customer_id": desk.customer}
    )
    assert refused.status == 409
    assert (await refused.json())["error_id"] == "survey-offer-refused"


async def test_a_complaint_that_came_between_is_met_with_thanks(desk: Desk) -> None:
    link = await desk.link()
    new = NewCase(
        kind=CaseKind.COMPLAINT,
        grade=Grade.ORDINARY,
        source=CaseSource.CALL,
        subject="空调异响",
        customer_id=desk.customer,
    )
    now = desk.office.clock.now()
    desk.office.database.write_now(lambda c: cases.open_case(c, new, by=None, now=now, hours=HOURS))
    phone = desk.office.browser()
    shown = await phone.get(link, headers={"Accept-Language": "zh-CN"})
    assert shown.status == 200
    assert "正在处理您反映的问题" in await shown.text()
    await phone.post(link, data={"step": "begin"})
    assert desk.count(response_rows) == 0


async def test_a_changed_questionnaire_and_an_agents_answer_meet_the_customer(desk: Desk) -> None:
    link = await desk.link()
    phone = await begun(desk.office, link)
    now = desk.office.clock.now()
    writer = Principal(role=Role.SUPERVISOR, via=Via.SESSION, name="W", user_id="w")
    manager = Principal(role=Role.MANAGER, via=Via.SESSION, name="M", user_id="m")

    def newer(c: Connection) -> None:
        row = questionnaires.versions_of(c, "service_visit")[0]
        body = {**row.body, "questions": row.body["questions"][:1]}
        made = questionnaires.begin_draft(
            c, row.code, purpose=row.purpose, label=row.label, body=body, by=writer, now=now
        )
        for step, by in ((VersionStep.SUBMIT, writer), (VersionStep.APPROVE, manager)):
            questionnaires.take_step(c, row.code, made.version, step, revision=None, by=by, why="", now=now)

    desk.office.database.write_now(newer)
    (offer,) = await desk.offers()
    desk.office.database.write_now(
        lambda c: responses.answer(
            c, offer["response_id"], "overall", 4, channel=Channel.AGENT, by=writer, now=now
        )
    )
    late = await phone.post(
        link,
        data={"step": "answer", "question": "overall", "value": "5", "rev": "1"},
        headers={"Accept-Language": "zh-CN"},
    )
    assert late.status == 409
    words = await late.text()
    assert "客服刚刚记录" in words
    assert re.search(r'value="4" checked', words)
    rev = re.search(r'name="rev" value="(\d+)"', words)
    assert rev is not None
    await phone.post(link, data={"step": "answer", "question": "overall", "value": "5", "rev": rev[1]})
    await fill(phone, link)
    await phone.post(link, data={"step": "finish"})
    done = desk.office.database.read_now(lambda c: responses.get_response(c, offer["response_id"]))
    assert (done.version, done.values["overall"], done.state.value) == (1, 5, "finished")


async def test_many_questions_are_no_knocking(desk: Desk) -> None:
    link = await desk.link()
    phone = await begun(desk.office, link)
    stranger = desk.office.browser()
    seen = {(await phone.get(link)).status for _ in range(PER_MINUTE + 10)}
    assert seen == {200}
    tried = [(await stranger.get(f"/l/survey/{'x' * 43}")).status for _ in range(PER_MINUTE + 5)]
    assert tried[-1] == 429
    assert (await phone.get(link)).status == 200


async def test_links_stand_on_the_pages_of_who_may_ask(desk: Desk) -> None:
    await desk.link()
    page = await (await desk.agent.get(f"/customers/{desk.customer}")).text()
    assert 'data-island="survey-offers"' in page
    assert "未打开" in page
    assert "/l/survey/" not in page  # the secret is shown once, where it was made


async def test_behind_https_the_cookie_is_secure_and_the_address_whole(make_office: OfficeMaker) -> None:
    office = await make_office(public_url="https://crm.example.cn")
    now = office.clock.now()

    def work(c: Connection) -> str:
        survey_seed.seed(c, now)
        return customers.add_customer(c, name="王建国", now=now).id

    person = office.database.write_now(work)
    program = office.program(office.add_token(Role.AGENT))
    asked = {"questionnaire": "service_card", "customer_id": person}
    made = await (await program.request("POST", "/api/v1/survey-links", json=asked)).json()
    assert made["address"] == "https://crm.example.cn" + made["path"]
    first = await office.browser().get(made["path"])
    assert "; Secure" in first.headers["Set-Cookie"]


async def test_a_customer_says_no_before_or_in_the_middle_of_it(desk: Desk) -> None:
    link = await desk.link()
    phone = desk.office.browser()
    # Without the cookie of the first page nobody says no for somebody else.
    assert (await desk.office.browser().post(link, data={"step": "decline"})).status == 403
    assert "我不想参加" in await (await phone.get(link, headers={"Accept-Language": "zh-CN"})).text()
    for _twice in range(2):
        said = await phone.post(link, data={"step": "decline"})
        assert (said.status, said.headers["Location"]) == (303, link)
    words = await (await phone.get(link, headers={"Accept-Language": "zh-CN"})).text()
    assert "这次不打扰您了" in words
    assert "开始填写" not in words

    other = await desk.link()
    phone = await begun(desk.office, other)
    await give(phone, other, "overall", {"value": "1"})
    assert (await phone.post(other, data={"step": "decline"})).status == 303
    assert (await give(phone, other, "overall", {"value": "5"})).status == 303
    found = desk.office.database.read_now(
        lambda c: c.execute(select(response_rows.c.state, response_rows.c.dissatisfied)).all()
    )
    # What was said before the no counts: who gave the worst mark is heard.
    assert sorted(map(tuple, found)) == [("declined", False), ("declined", True)]
