"""Registrations, drafts, definitions, articles and sounds on both databases."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from access.audit import Action, entry
from access.ids import new_id
from access.permissions import Role
from access.users import Principal, User, Via
from config.books.aftercall import aftercall
from config.books.definitions import seed
from config.books.knowledge import load_sample
from crm.definitions import DefinitionChanged
from crm.knowledge.articles import ArticleChanged, ArticleNotFound, ArticleState
from crm.options import AftercallOptions
from crm.registrations.filing import (
    AlreadyFiled,
    CallNotFound,
    Content,
    DraftChanged,
    RegistrationChanged,
    RegistrationIncomplete,
    RegistrationNotFound,
)
from crm.tasks.tasks import TaskKind
from storage import calls, customers, optouts, registrations, tasks, users
from storage.database import Database
from storage.tables import metadata
from storage.tables.access import audit as audit_lines
from storage.tables.aftercall import registrations as table
from storage.tables.telephony import recordings
from telephony.calls import Call, CallId, CallState, Direction
from telephony.clock import Clock
from telephony.listening import (
    SoundAway,
    SoundFilter,
    SoundHeld,
    SoundKind,
    SoundNotFound,
    SoundNotReady,
)
from web.ports.aftercall import Aftercall, NewTask, TaskFilter

NUMBER = "+8613812345678"
MINUTE = timedelta(minutes=1)


class House:
    """Two agents, a supervisor, and the room over a fresh database."""

    def __init__(self, database: Database, clock: Clock, folder: Path, **options: Any) -> None:
        self.database, self.clock, self.folder = database, clock, folder
        self.people = {
            login: self._user(login, role)
            for login, role in (
                ("wang", Role.AGENT),
                ("li", Role.AGENT),
                ("chen", Role.SUPERVISOR),
                ("zhao", Role.MANAGER),
            )
        }
        database.write_now(lambda connection: seed(connection, clock.now()))
        self.room: Aftercall = aftercall(
            database,
            due=lambda at, minutes: at + timedelta(minutes=minutes),
            options=AftercallOptions(**options),
            departments={name: {"en": name} for name in ("service", "sales", "complaints", "roadside")},
            folders=lambda: {SoundKind.RECORDING: folder, SoundKind.VOICEMAIL: folder},
            queue_labels={},
            dealership="示例",
            zone="Asia/Shanghai",
        )

    def _user(self, login: str, role: Role) -> Principal:
        now = self.clock.now()
        user = User(
            id=new_id(now),
            login=login,
            name=login.title(),
            role=role,
            language="en",
            theme="auto",
            created_at=now,
        )
        self.database.write_now(lambda c: users.insert_user(c, user, password_hash="x"))
        return Principal(role=role, via=Via.SESSION, name=user.name, user_id=user.id, proof_id=login)

    def __getitem__(self, login: str) -> Principal:
        return self.people[login]

    def call(self, agent: str = "wang", **values: Any) -> Call:
        now = self.clock.now()
        call_id = new_id(now)
        call = Call(
            id=CallId(call_id),
            linkedid=call_id,
            system="careline",
            direction=Direction.INBOUND,
            state=CallState.ENDED,
            started_at=now - MINUTE,
            connected_at=now - MINUTE / 2,
            ended_at=now,
            number=NUMBER,
            raw_number="13812345678",
            agent_id=self[agent].user_id,
            queue="service",
        )
        call = replace(call, **values)

        def work(connection: Connection) -> None:
            calls.save(connection, [(None, call)])
            registrations.react_to_call(connection, None, call, ())

        self.database.write_now(work)
        return call

    def entry(self, login: str, action: Action = Action.CALL_FILED) -> Any:
        now = self.clock.now()
        return entry(action, self[login], id=new_id(now), at=now)

    async def file(self, login: str, call: Call, content: Content) -> Any:
        return await self.room.registrations.file(self[login], call.id, content, self.entry(login))

    def recording(self, call: Call, *, name: str = "", sound: bytes = b"x" * 100, **values: Any) -> str:
        recording_id = new_id(self.clock.now()).lower() + "000000"
        file = name or f"{call.id}.wav"
        (self.folder / file).write_bytes(sound)
        row = {
            "id": recording_id,
            "call_id": call.id,
            "file": file,
            "started_at": call.started_at,
            "ended_at": call.ended_at,
            "seconds": 30.0,
            "state": "kept",
            **values,
        }
        self.database.write_now(lambda c: c.execute(insert(recordings).values(**row)))
        return recording_id


@pytest.fixture
def house(database: Database, clock: Clock, tmp_path: Path) -> House:
    (tmp_path / "mark").write_text("x")
    return House(database, clock, tmp_path)


CONTENT = Content(
    call_type="maintenance",
    reason="regular_service",
    customer_words="想做个保养",
    summary="客户想预约周六上午保养",
    disposition="answered",
    fields={"mileage": 32000},
)


def open_tasks(house: House) -> list[Any]:
    return house.database.read_now(lambda c: tasks.list_tasks(c, state="open", user_id=""))


async def test_a_call_is_filed_once_and_leaves_the_list(house: House) -> None:
    call = house.call()
    page = await house.room.registrations.unfiled(house["wang"], mine=True, cursor=None, limit=10)
    assert [(one.call_id, one.number) for one in page.items] == [(call.id, "138****5678")]
    filed = await house.file("wang", call, CONTENT)
    assert (filed.current.content, filed.current.by_name, filed.tasks) == (CONTENT, "Wang", ())
    again = await house.file("wang", call, CONTENT)
    assert again == filed, "the same filing sent twice is one"
    page = await house.room.registrations.unfiled(house["chen"], mine=False, cursor=None, limit=10)
    assert list(page.items) == []
    row = house.database.read_now(lambda c: c.execute(select(table)).mappings().one())
    assert (row["human"], row["success"], row["final"], row["do_not_call"]) == (True, True, True, False)
    # The reaction told again, after the filing, does not bring the call back.
    house.database.write_now(lambda c: registrations.react_to_call(c, None, call, ()))
    assert not house.database.read_now(lambda c: registrations.unfiled(c, agent_id=None, user_id=""))


async def test_r28_two_people_file_one_call_and_the_second_gets_both_texts(house: House) -> None:
    call = house.call()
    await house.file("wang", call, CONTENT)
    other = replace(CONTENT, summary="主管补登这一通来电")
    with pytest.raises(AlreadyFiled) as refused:
        await house.file("chen", call, other)
    assert refused.value.holder == "Wang"
    assert refused.value.theirs["summary"] == CONTENT.summary
    assert refused.value.yours["summary"] == other.summary


async def test_r28_filed_from_eight_places_at_once_there_is_one_registration(house: House) -> None:
    call = house.call()

    async def attempt(summary: str) -> str:
        try:
            await house.file("wang", call, replace(CONTENT, summary=summary))
        except AlreadyFiled:
            return "refused"
        return "filed"

    results = await asyncio.gather(*(attempt(f"第{number}次登记内容") for number in range(8)))
    assert sorted(results) == ["filed", *["refused"] * 7]


async def test_a_colleagues_call_is_not_there(house: House) -> None:
    call = house.call("wang")
    with pytest.raises(CallNotFound):
        await house.file("li", call, CONTENT)
    with pytest.raises(CallNotFound):
        await house.room.registrations.panel(house["li"], call.id, house.clock.now())
    with pytest.raises(CallNotFound):
        await house.room.registrations.save_draft(
            house["li"], call.id, based_on=0, body={}, now=house.clock.now()
        )


async def test_what_is_missing_refuses_the_whole(house: House) -> None:
    call = house.call()
    with pytest.raises(RegistrationIncomplete) as refused:
        await house.file("wang", call, replace(CONTENT, reason="", summary="好"))
    assert {fault.field for fault in refused.value.faults} == {"reason", "summary"}
    with pytest.raises(RegistrationNotFound):
        await house.room.registrations.get(house["wang"], call.id)


async def test_m087_an_inquiry_goes_to_sales_with_the_filing(house: House) -> None:
    call = house.call(queue="sales")
    content = Content(
        call_type="sales_inquiry",
        reason="quote",
        customer_words="想问问朗逸优惠",
        summary="客户想了解朗逸优惠价格",
        disposition="passed_on",
        next_step="to_sales",
        next_note="请今天报价，意向朗逸",
        fields={"when": "week"},
    )
    filed = await house.file("wang", call, content)
    [task] = open_tasks(house)
    assert filed.tasks == (task.id,)
    assert (task.kind, task.department, task.number, task.call_id) == (
        TaskKind.INQUIRY,
        "sales",
        NUMBER,
        call.id,
    )
    assert task.due_at == house.clock.now() + 60 * MINUTE
    assert task.made_by == house["wang"].user_id
    # Corrected without touching the next step, there is still one order; with another note there is a second.
    await house.room.registrations.correct(
        house["wang"],
        call.id,
        replace(content, summary="客户想了解优惠，已报价"),
        based_on=1,
        why="补充",
        entry=house.entry("wang"),
    )
    assert len(open_tasks(house)) == 1
    await house.room.registrations.correct(
        house["wang"],
        call.id,
        replace(content, next_note="客户改看途观"),
        based_on=2,
        why="换车",
        entry=house.entry("wang"),
    )
    assert len(open_tasks(house)) == 2


async def test_dispositions_act_by_their_flags(house: House) -> None:
    at = house.clock.now() + 90 * MINUTE
    call = house.call()
    await house.file("wang", call, replace(CONTENT, disposition="call_back", callback_at=at))
    [task] = open_tasks(house)
    assert (task.kind, task.due_at, task.promised_by, task.owner_id) == (
        TaskKind.CALLBACK,
        at,
        at,
        house["wang"].user_id,
    )
    refused = house.call()
    await house.file("wang", refused, replace(CONTENT, disposition="do_not_call"))
    [wish] = house.database.read_now(lambda c: optouts.optouts_of(c, NUMBER))
    assert (wish.proof, wish.actor_id) == (f"call {refused.id}", house["wang"].user_id)


async def test_a_correction_keeps_every_version_and_the_slower_one_is_refused(house: House) -> None:
    call = house.call()
    await house.file("wang", call, CONTENT)
    books = house.room.registrations
    mended = replace(CONTENT, summary="客户改到周日下午保养")
    after = await books.correct(
        house["wang"], call.id, mended, based_on=1, why="客户改时间", entry=house.entry("wang")
    )
    assert [(one.version, one.why, one.content.summary) for one in after.versions] == [
        (2, "客户改时间", mended.summary),
        (1, "", CONTENT.summary),
    ]
    # Its answer was lost, and the page sends it again.
    written = select(audit_lines.c.id)
    before = house.database.read_now(lambda c: c.execute(written).all())
    house.clock._at += timedelta(seconds=5)  # type: ignore[attr-defined]
    again = await books.correct(
        house["wang"], call.id, mended, based_on=1, why="客户改时间", entry=house.entry("wang")
    )
    assert again.versions == after.versions
    assert house.database.read_now(lambda c: c.execute(written).all()) == before, "one correction, one line"
    with pytest.raises(RegistrationChanged) as refused:
        await books.correct(house["chen"], call.id, CONTENT, based_on=1, why="x", entry=house.entry("chen"))
    assert (refused.value.holder, refused.value.version) == ("Wang", 2)
    assert refused.value.theirs["summary"] == mended.summary
    house.clock._at += timedelta(days=8)  # type: ignore[attr-defined]
    with pytest.raises(RegistrationNotFound):
        await books.correct(house["wang"], call.id, CONTENT, based_on=2, why="x", entry=house.entry("wang"))
    await books.correct(house["chen"], call.id, CONTENT, based_on=2, why="复核", entry=house.entry("chen"))


async def test_r28_a_draft_from_a_second_page_is_refused_with_both_texts(house: House) -> None:
    call, books, now = house.call(), house.room.registrations, house.clock.now()
    first = await books.save_draft(house["wang"], call.id, based_on=0, body={"summary": "一"}, now=now)
    assert first.revision == 1
    same = await books.save_draft(house["wang"], call.id, based_on=0, body={"summary": "一"}, now=now)
    assert same.revision == 1, "an answer that was lost may be asked for again"
    with pytest.raises(DraftChanged) as refused:
        await books.save_draft(house["wang"], call.id, based_on=0, body={"summary": "二"}, now=now)
    assert (refused.value.theirs, refused.value.yours) == ({"summary": "一"}, {"summary": "二"})
    assert refused.value.version == 1
    taken = await books.save_draft(house["wang"], call.id, based_on=1, body={"summary": "二"}, now=now)
    assert taken.revision == 2


def test_r28_eight_pages_save_one_draft_at_once_and_one_wins(house: House) -> None:
    call, user_id = house.call(), house["wang"].user_id or ""

    def save(number: int) -> str:
        try:
            house.database.write_now(
                lambda c: registrations.save_draft(
                    c,
                    call_id=call.id,
                    user_id=user_id,
                    based_on=0,
                    body={"summary": str(number)},
                    now=house.clock.now(),
                    holder="Wang",
                )
            )
        except DraftChanged:
            return "refused"
        return "saved"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(save, range(8))) == [*["refused"] * 7, "saved"]


async def test_what_a_colleague_typed_comes_with_a_call_that_was_handed_on(house: House) -> None:
    call = house.call("wang", state=CallState.TALKING, ended_at=None)
    books, now = house.room.registrations, house.clock.now()
    await books.save_draft(house["wang"], call.id, based_on=0, body={"summary": "客户很急"}, now=now)
    moved = replace(call, agent_id=house["li"].user_id)
    house.database.write_now(lambda c: calls.save(c, [(call, moved)]))
    panel = await books.panel(house["li"], call.id, now)
    assert [(one.name, one.body["summary"]) for one in panel.others] == [("Wang", "客户很急")]
    # And who began it can go on writing what he knows.
    more = await books.save_draft(
        house["wang"], call.id, based_on=1, body={"summary": "很急，要主管"}, now=now
    )
    assert more.revision == 2


async def test_definitions_are_versions_and_the_slower_editor_is_refused(house: House) -> None:
    book = house.room.definitions
    form = await book.get("form", "other", None)
    body = {**form.body, "customer_words": "required"}
    made = house.entry("chen", Action.DEFINITION_CHANGED)
    saved = await book.save("form", "other", body, based_on=1, why="要写原话", retired=False, entry=made)
    assert (saved.version, saved.by_name) == (2, "Chen")
    with pytest.raises(DefinitionChanged) as refused:
        await book.save("form", "other", body, based_on=1, why="", retired=False, entry=house.entry("chen"))
    assert refused.value.holder == "Chen"
    call = house.call()
    content = replace(CONTENT, call_type="other", reason="general", customer_words="", fields={})
    with pytest.raises(RegistrationIncomplete):
        await house.file("wang", call, content)
    filed = await house.file("wang", call, replace(content, customer_words="问路"))
    assert filed.current.form_version == 2
    assert house.database.write_now(lambda c: seed(c, house.clock.now())) == 0, "a restart seeds nothing anew"


# -- knowledge -----------------------------------------------------------------------------------------


async def test_articles_are_found_by_two_characters_and_only_while_they_hold(house: House) -> None:
    now = house.clock.now()
    assert house.database.write_now(lambda c: load_sample(c, now)) == 8
    assert house.database.write_now(lambda c: load_sample(c, now)) == 0
    book, today = house.room.knowledge, date(2026, 6, 16)

    async def titles(text: str, day: date = today) -> list[str]:
        hits = await book.search(house["wang"], text, language="zh-CN", today=day, limit=10)
        return [hit.title for hit in hits]

    assert (await titles("保养"))[0] in ("首保政策与预约", "常规保养价格表")
    assert await titles("应急预案") == ["道路救援流程与应急预案"]
    assert await titles("救") == ["道路救援流程与应急预案"]
    assert await titles("hazard") == ["Roadside assistance, step by step"]
    assert await titles("保养 不存在的词") == []
    assert await titles("%") == []
    assert await titles("置换") == ["购车优惠与置换补贴"]
    assert await titles("置换", date(2027, 7, 1)) == [], "it held until June"


async def test_an_article_is_a_draft_until_somebody_approves_it(house: House) -> None:
    book, today = house.room.knowledge, date(2026, 6, 16)
    values: dict[str, Any] = {"tags": ["轮胎"], "language": "zh-CN", "valid_until": None}
    made = await book.write(
        house["chen"],
        None,
        based_on=0,
        title="换胎",
        body="随车工具在后备箱",
        entry=house.entry("chen"),
        **values,
    )
    with pytest.raises(ArticleNotFound):
        await book.get(house["wang"], made.id, today)
    assert not await book.search(house["wang"], "换胎", language=None, today=today, limit=5)
    approved = await book.approve(house["chen"], made.id, based_on=1, entry=house.entry("chen"))
    assert (approved.state, approved.approved_by_name, approved.version) == (ArticleState.APPROVED, "Chen", 2)
    [hit] = await book.search(house["wang"], "工具", language=None, today=today, limit=5)
    assert hit.id == made.id
    with pytest.raises(ArticleChanged):
        await book.write(
            house["zhao"], made.id, based_on=1, title="换胎", body="新的", entry=house.entry("zhao"), **values
        )
    changed = await book.write(
        house["zhao"], made.id, based_on=2, title="换胎", body="新的", entry=house.entry("zhao"), **values
    )
    assert changed.state is ArticleState.DRAFT
    assert not await book.search(house["wang"], "工具", language=None, today=today, limit=5)


# -- sounds --------------------------------------------------------------------------------------------


async def test_s15_an_agent_finds_his_own_recordings_only(house: House) -> None:
    own, other = house.call("wang"), house.call("li", queue="sales", number="+8613900000002")
    mine, foreign = house.recording(own), house.recording(other)
    sounds = house.room.sounds

    async def ids(login: str, **wanted: Any) -> set[str]:
        page = await sounds.list(
            house[login], SoundKind.RECORDING, SoundFilter(**wanted), cursor=None, limit=9
        )
        return {item.id for item in page.items}

    assert await ids("wang") == {mine}
    assert await ids("chen") == {mine, foreign}
    assert await ids("chen", number=NUMBER) == {mine}
    assert await ids("chen", queue="sales") == {foreign}
    assert await ids("chen", agent_id=house["li"].user_id) == {foreign}
    assert await ids("chen", least_seconds=31.0) == set()
    assert await ids("chen", since=house.clock.now()) == set()
    assert await ids("chen", marked=True) == set()
    mark = await sounds.mark(house["chen"], foreign, offset=99.0, note="客户不满", entry=house.entry("chen"))
    assert mark.offset == 30.0, "a mark is within the sound"
    assert await ids("chen", marked=True) == {foreign}
    for ask in (sounds.get, sounds.peaks):
        with pytest.raises(SoundNotFound):
            await ask(house["wang"], SoundKind.RECORDING, foreign)
    with pytest.raises(SoundNotFound):
        await sounds.mark(house["wang"], foreign, offset=1, note="x", entry=house.entry("wang"))


@pytest.mark.parametrize(("hears", "count"), [("none", 0), ("own", 1), ("all", 2)])
async def test_s15_what_agents_hear_is_a_setting(
    sqlite_database: Database, clock: Clock, tmp_path: Path, hears: str, count: int
) -> None:
    house = House(sqlite_database, clock, tmp_path, agents_hear=hears)
    for agent in ("wang", "li"):
        house.recording(house.call(agent))
    page = await house.room.sounds.list(
        house["wang"], SoundKind.RECORDING, SoundFilter(), cursor=None, limit=9
    )
    assert len(page.items) == count


async def test_whose_agents_hear_all_hear_nothing_of_a_restricted_customer_but_their_own_calls(
    database: Database, clock: Clock, tmp_path: Path
) -> None:
    house = House(database, clock, tmp_path, agents_hear="all")
    whose = database.write_now(
        lambda connection: customers.add_customer(connection, name="欧阳密语", now=clock.now()).id
    )
    free = house.recording(house.call("li"))
    own = house.recording(house.call("wang", customer_id=whose))
    foreign = house.recording(house.call("li", customer_id=whose))

    async def heard(login: str) -> dict[str, str | None]:
        page = await house.room.sounds.list(
            house[login], SoundKind.RECORDING, SoundFilter(), cursor=None, limit=9
        )
        return {item.id: item.customer_name for item in page.items}

    assert await heard("wang") == {free: None, own: "欧阳密语", foreign: "欧阳密语"}
    people = metadata.tables["customers"]
    database.write_now(
        lambda c: c.execute(people.update().where(people.c.id == whose).values(secrecy="restricted"))
    )
    assert await heard("wang") == {free: None, own: "欧阳**"}
    assert (await heard("chen"))[foreign] == "欧阳密语"


async def test_s15_deleted_is_gone_and_a_held_one_stays(house: House) -> None:
    call = house.call()
    kept, held = house.recording(call), house.recording(call, name="held.wav", hold=True)
    running = house.recording(call, name="running.wav", state="running", ended_at=None)
    sounds, entry_ = house.room.sounds, house.entry("zhao", Action.RECORDING_DELETED)
    with pytest.raises(SoundHeld):
        await sounds.delete(house["zhao"], SoundKind.RECORDING, held, reason="客户要求", entry=entry_)
    with pytest.raises(SoundNotReady):
        await sounds.delete(
            house["zhao"], SoundKind.RECORDING, running, reason="客户要求", entry=house.entry("zhao")
        )
    await sounds.delete(
        house["zhao"], SoundKind.RECORDING, kept, reason="客户要求", entry=house.entry("zhao")
    )
    assert not (house.folder / f"{call.id}.wav").exists()
    assert (house.folder / "held.wav").exists()
    row = house.database.read_now(
        lambda c: c.execute(select(recordings).where(recordings.c.id == kept)).mappings().one()
    )
    assert (row["state"], row["why"], row["delete_reason"]) == ("deleted", "by-hand", "客户要求")
    assert row["deleted_by"] == house["zhao"].user_id
    with pytest.raises(SoundNotFound):
        await sounds.open(house["zhao"], SoundKind.RECORDING, kept, download=False, entry=house.entry("zhao"))


@pytest.mark.parametrize("name", ["../outside.wav", "/etc/passwd", ".hidden", "link.wav", "folder", ""])
async def test_s15_a_rows_file_never_leads_outside_the_folder(
    sqlite_database: Database, clock: Clock, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "sounds"
    (folder / "folder").mkdir(parents=True)
    (tmp_path / "outside.wav").write_bytes(b"secret")
    (folder / "link.wav").symlink_to(tmp_path / "outside.wav")
    house = House(sqlite_database, clock, folder)
    recording = house.recording(house.call(), name="real.wav")
    house.database.write_now(
        lambda c: c.execute(update(recordings).where(recordings.c.id == recording).values(file=name))
    )
    with pytest.raises((SoundNotFound, SoundAway)):
        await house.room.sounds.open(
            house["chen"], SoundKind.RECORDING, recording, download=False, entry=house.entry("chen")
        )


# -- tasks ---------------------------------------------------------------------------------------------


async def test_tasks_by_hand_are_listed_where_they_belong(house: House) -> None:
    desk, now = house.room.tasks, house.clock.now()
    call = house.call()

    async def make(subject: str, **values: Any) -> str:
        new = NewTask(kind="follow_up", subject=subject, **{"due_at": now + 60 * MINUTE, **values})
        task = await desk.create(house["wang"], new, None, house.entry("wang", Action.TASK_CREATED))
        return task.id

    mine = await make("给13812345678回电", call_id=call.id, owner_id=house["wang"].user_id)
    free = await make("转配件", department="sales")
    later = await make("下周跟进", owner_id=house["li"].user_id, due_at=now + timedelta(days=3))

    async def ids(login: str, scope: Any, **more: Any) -> list[str]:
        page = await desk.search(
            house[login], TaskFilter(scope=scope, **more), now=now, zone="Asia/Shanghai", cursor=None, limit=9
        )
        return [item.id for item in page.items]

    assert await ids("wang", "today") == [mine, free]
    assert await ids("wang", "mine") == [mine]
    assert await ids("wang", "team") == [mine, later]
    assert await ids("wang", "free", department="sales") == [free]
    assert await ids("wang", "overdue") == []
    counts = await desk.counts(house["li"], now=now + timedelta(days=4), zone="Asia/Shanghai")
    assert counts == {"today": 2, "mine": 1, "team": 2, "free": 1, "overdue": 3}
    page = await desk.search(
        house["wang"], TaskFilter(scope="mine"), now=now, zone="Asia/Shanghai", cursor=None, limit=9
    )
    assert (page.items[0].subject, page.items[0].number) == ("给138****5678回电", "138****5678")
    given = await desk.assign(house["chen"], free, house["li"].user_id, house.entry("chen"))
    assert given.owner_name == "Li"
