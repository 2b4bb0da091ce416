"""Lists over HTTP: a file comes in with its form, its trial is seen, rows go in, and lists go out as files."""

from __future__ import annotations

import asyncio
import csv
import io
import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import python_calamine
from aiohttp import FormData
from fixtures_storage import FrozenClock
from fixtures_web import Browser, Office
from import_desk import row as delivery
from sqlalchemy import Connection, func, select
from waiting import until

from access.permissions import Role
from access.users import Principal, Via
from config.lists import imports as imports_work
from crm.exports.jobs import ExportKind
from crm.records.customers import Secrecy
from storage import audit, customers, exports, group_filling, groups, import_jobs
from storage.database import Database, StorageUnavailable
from storage.tables.records import customers as customer_rows
from storage.tables.records import vehicles as vehicle_rows
from telephony.numbers import E164
from web.languages import texts

HEADER = ["客户姓名", "手机", "车架号", "车牌号", "车型", "交车日期", "里程", "备注"]
EVIL = [
    "=1+1",
    "+86",
    "-2",
    "@SUM(A1)",
    "=cmd|' /C calc'!A0",
    "\t=1",
    "<img src=x onerror=alert(1)>",
    "＝１＋１",
]


def _csv(rows: Sequence[Sequence[Any]], encoding: str = "gb18030") -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(encoding)


def _row(number: int, **changed: str) -> list[str]:
    return delivery(number, **{"name": f"客户{number:03d}", **changed})


def _form(browser: Browser, content: bytes, name: str = "list.csv", **fields: str) -> FormData:
    form = FormData(quote_fields=False)
    for key, value in {"csrf": browser.csrf, "kind": "customers", "source": "DMS", **fields}.items():
        form.add_field(key, value)
    form.add_field("file", content, filename=name, content_type="application/octet-stream")
    return form


async def _upload(office: Office, browser: Browser, content: bytes, **fields: str) -> str:
    answer = await browser.session.post(
        office.base + "/imports", data=_form(browser, content, **fields), allow_redirects=False
    )
    assert answer.status == 303, await answer.text()
    path = str(answer.headers["Location"])
    await office.lists.import_work.work(path.rpartition("/")[2])
    return path


async def _send(browser: Browser, path: str, **fields: str) -> int:
    answer = await browser.session.post(
        browser.base + path, data={"csrf": browser.csrf, **fields}, allow_redirects=False
    )
    return answer.status


async def test_a_list_goes_in_by_its_pages_and_comes_back_where_it_is_bad(office: Office) -> None:
    browser = await office.signed_in("supervisor")
    rows = [HEADER, *(_row(number) for number in range(5)), _row(9, phone="123", name="<b>坏</b>")]
    path = await _upload(office, browser, _csv(rows), name="../../交车.csv")
    import_id = path.rpartition("/")[2]
    page = await (await browser.get(path)).text()
    assert "GB18030" in page
    assert "客户000" in page
    assert await _send(browser, path + "/choice", header_row="1", **{"column-0": "note"}) == 422
    columns = {f"column-{place}": name for place, name in enumerate(
        ["name", "phone", "vin", "plate", "model", "delivered_on", "mileage", "note"]
    )}  # fmt: skip
    assert await _send(browser, path + "/choice", header_row="1", **columns) == 303
    await office.lists.import_work.work(import_id)
    page = await (await browser.get(path)).text()
    assert 'data-count="added">5<' in page
    assert "不是完整的电话号码" in page
    assert office.database.read_now(_count) == 0
    assert await _send(browser, path + "/run") == 303
    await office.lists.import_work.work(import_id)
    assert office.database.read_now(_count) == 5
    answer = await browser.get(path + "/bad-rows")
    assert answer.status == 200
    sheet = python_calamine.load_workbook(io.BytesIO(await answer.read())).get_sheet_by_index(0)
    [head, bad] = sheet.to_python()
    assert head == [*HEADER, "行号", "原因"]
    assert bad[:2] == ["<b>坏</b>", "123"]
    assert bad[8] == "7"
    mended = [head, ["好了", "13900000000", *bad[2:]]]
    again = await _upload(office, browser, _csv(mended, "utf-8-sig"), name="修正.csv")
    assert await _send(browser, again + "/choice", header_row="1", **columns) == 303
    await office.lists.import_work.work(again.rpartition("/")[2])
    assert await _send(browser, again + "/run") == 303
    await office.lists.import_work.work(again.rpartition("/")[2])
    assert office.database.read_now(_count) == 6
    listed = await (await browser.get("/imports")).text()
    assert "交车.csv" in listed
    assert "../" not in listed
    noted = office.database.read_now(lambda c: audit.list_entries(c, subject=f"import:{import_id}"))
    done = [entry.action.value for entry in reversed(noted)]
    assert done == ["import_begun", "import_chosen", "import_begun", "import_ended", "exported"]
    assert noted[1].data["added"] == 5


def _count(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(customer_rows)).scalar_one())


async def test_a_file_that_is_none_is_refused_beside_its_field(office: Office) -> None:
    browser = await office.signed_in("supervisor")
    answer = await browser.session.post(
        office.base + "/imports", data=_form(browser, b"", source=" "), allow_redirects=False
    )
    assert answer.status == 422
    assert "请填写资料来源" in await answer.text()
    path = await _upload(office, browser, b"<html><table></table></html>", name="a.xlsx")
    assert "这是网页" in await (await browser.get(path)).text()


async def test_lists_by_the_api(office: Office) -> None:
    user = office.add_user("boss", Role.MANAGER)
    program = office.program(office.add_token(Role.MANAGER, user=user))
    content = _csv([HEADER, *(_row(number) for number in range(3))])
    query = {"kind": "customers", "source": "api", "file_name": "a.csv"}
    answer = await program.post("/api/v1/imports", params=query, data=content)
    assert answer.status == 202, await answer.text()
    job = await answer.json()
    await office.lists.import_work.work(job["id"])
    job = await (await program.get(f"/api/v1/imports/{job['id']}")).json()
    assert job["state"] == "choosing"
    choice = {"header_row": 1, "columns": job["choice"]["columns"]["of"]}
    refused = await program.post(f"/api/v1/imports/{job['id']}/run", json={})
    assert (refused.status, (await refused.json())["error_id"]) == (409, "import-not-possible")
    assert (await program.post(f"/api/v1/imports/{job['id']}/choice", json=choice)).status == 202
    await office.lists.import_work.work(job["id"])
    assert (await program.post(f"/api/v1/imports/{job['id']}/run", json={})).status == 202
    await office.lists.import_work.work(job["id"])
    job = await (await program.get(f"/api/v1/imports/{job['id']}")).json()
    assert (job["state"], job["counts"]["added"]) == ("done", 3)
    empty = await program.post("/api/v1/imports", params=query, data=b"")
    assert (empty.status, (await empty.json())["error_id"]) == (422, "import-file-refused")


async def test_the_people_of_a_list_become_a_group_in_one_step(office: Office) -> None:
    """Also those it changed nothing of; and what stands in no column is said once for every row."""
    browser = await office.signed_in("supervisor")
    office.database.write_now(
        lambda c: customers.add_contact(
            c, customers.add_customer(c, name="客户000", now=office.clock.now()).id,
            E164("+8613800000000"), office.clock.now(), primary=True,
        )
    )  # fmt: skip
    rows = [["姓名", "手机", "车架号"], *([row[0], row[1], row[2]] for row in map(_row, range(3)))]
    path = await _upload(office, browser, _csv([*rows, ["坏", "1", ""]]))
    import_id = path.rpartition("/")[2]
    columns = {"column-0": "name", "column-1": "phone", "column-2": "vin"}
    fixed = {
        "fixed-field-0": "brand",
        "fixed-value-0": " 长城 ",
        "fixed-field-1": "nonsense",
        "fixed-value-1": "x",
        "fixed-field-2": "source",
        "fixed-value-2": "车展",
    }
    early = await browser.post(f"/api/v1/imports/{import_id}/group", {"name": "太早"})
    assert (early.status, (await early.json())["error_id"]) == (409, "import-not-possible")
    assert await _send(browser, path + "/choice", header_row="1", **columns, **fixed) == 303
    await office.lists.import_work.work(import_id)
    assert 'value="长城"' in await (await browser.get(path)).text()
    assert await _send(browser, path + "/run") == 303
    await office.lists.import_work.work(import_id)
    brands = office.database.read_now(lambda c: set(c.execute(select(vehicle_rows.c.brand)).scalars()))
    assert brands == {"长城"}
    came = office.database.read_now(lambda c: list(c.execute(select(customer_rows.c.source)).scalars()))
    assert came == ["车展"] * 3
    answer = await browser.session.post(
        office.base + path + "/group", data={"csrf": browser.csrf, "name": "交车客户"}, allow_redirects=False
    )
    assert answer.status == 303
    shown = await (await browser.get(f"/api/v1{answer.headers['Location']}")).json()
    assert (shown["name"], shown["kind"]) == ("交车客户", "static")
    taken = await browser.session.post(
        office.base + path + "/group", data={"csrf": browser.csrf, "name": "交车客户"}, allow_redirects=False
    )
    assert taken.status == 422
    again = await browser.post(f"/api/v1/imports/{import_id}/group", {"name": "另一个"})
    assert again.status == 201, await again.text()
    made = await again.json()
    assert made["members"] == 3
    members = await (await browser.get(f"/api/v1/groups/{made['group_id']}/members")).json()
    assert sorted(one["name"] for one in members["items"]) == ["客户000", "客户001", "客户002"]
    noted = office.database.read_now(lambda c: audit.list_entries(c, subject=f"group:{made['group_id']}"))
    assert [(one.action.value, one.data["import"]) for one in noted] == [("group_created", import_id)]


async def test_a_group_of_a_list_is_filled_to_the_end_after_the_database_was_away(
    office_on_each: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself, or by asking again: nobody twice, and nobody who was taken out meanwhile."""
    office = office_on_each
    browser = await office.signed_in("supervisor")
    path = await _upload(office, browser, _csv([HEADER, *map(_row, range(6))]))
    import_id = path.rpartition("/")[2]
    columns = {f"column-{place}": name for place, name in enumerate(("name", "phone", "vin"))}
    assert await _send(browser, path + "/choice", header_row="1", **columns) == 303
    await office.lists.import_work.work(import_id)
    assert await _send(browser, path + "/run") == 303
    await office.lists.import_work.work(import_id)

    monkeypatch.setattr(imports_work, "_TRIED", 2)
    put_in, left = group_filling.put_in, [1]

    def away(*given: Any, **more: Any) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise StorageUnavailable("away")
        return put_in(*given, **more)

    monkeypatch.setattr(group_filling, "put_in", away)
    url, body = f"/api/v1/imports/{import_id}/group", {"name": "交车客户"}
    assert (await browser.post(url, body)).status == 503
    (left_over,) = office.database.read_now(group_filling.unfinished)
    assert left_over.counted == 2
    assert texts("zh-CN")["groups.filling"] in await (await browser.get(f"/groups/{left_over.id}")).text()
    await office.lists.imports.filler.look(office.clock.now())  # still away: it waits for the next look
    first = await (await browser.get(f"/api/v1/groups/{left_over.id}/members?limit=1")).json()
    out = [first["items"][0]["customer_id"]]
    remove = await browser.post(f"/api/v1/groups/{left_over.id}/members/remove", {"customer_ids": out})
    assert remove.status == 200
    left[0] = 1
    assert (await browser.post(url, body)).status == 503
    assert office.database.read_now(lambda c: groups.get_group(c, left_over.id)).counted == 3
    left[0] = 10
    await office.lists.imports.filler.look(office.clock.now())
    full = office.database.read_now(lambda c: groups.get_group(c, left_over.id))
    assert (full.counted, full.filling_place, full.made_of_import) == (5, None, import_id)
    assert (await browser.post(url, body)).status == 409
    assert texts("zh-CN")["groups.filling"] not in await (await browser.get(f"/groups/{full.id}")).text()


# -- out ----------------------------------------------------------------------------------------------


async def _made(program: Any, job: dict[str, Any]) -> dict[str, Any]:
    """The export when its file is made, or cannot be: its first answer only waits for a moment."""

    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = await (await program.get(f"/api/v1/exports/{job['id']}")).json()
        return None if found["state"] == "making" else found

    made: dict[str, Any] = await until(look)
    return made


async def _export(program: Any, kind: str, format: str, **wanted: str) -> bytes:
    answer = await program.post("/api/v1/exports", json={"kind": kind, "format": format, "filter": wanted})
    assert answer.status == 202, await answer.text()
    job = await _made(program, await answer.json())
    assert job["state"] == "ready", job
    file = await program.get(f"/api/v1/exports/{job['id']}/file")
    assert file.status == 200
    assert file.headers["Content-Disposition"].startswith('attachment; filename="careline-')
    return bytes(await file.read())


def _fill(office: Office) -> None:
    def work(connection: Connection) -> None:
        now = office.clock.now()
        for place, words in enumerate(EVIL):
            one = customers.add_customer(connection, name=f"{words}{place}", note=words, now=now)
            customers.add_contact(connection, one.id, E164(f"+8613800000{place:03d}"), now, primary=True)
        customers.add_customer(connection, name="贵宾", now=now, secrecy=Secrecy.RESTRICTED, note="秘密")

    office.database.write_now(work)


@pytest.mark.parametrize("format", ["xlsx", "csv"])
async def test_what_customers_wrote_stays_text_and_comes_back_as_it_was(office: Office, format: str) -> None:
    _fill(office)
    user = office.add_user("boss", Role.MANAGER)
    program = office.program(office.add_token(Role.MANAGER, user=user))
    content = await _export(program, "customers", format)
    if format == "csv":
        assert content.startswith(b"\xef\xbb\xbf")
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
        for row in rows[1:]:
            for cell in row:
                assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "＝")), cell
        assert rows[1][6] == "'+8613800000000"
    else:
        workbook = python_calamine.load_workbook(io.BytesIO(content)).get_sheet_by_index(0)
        rows = [[str(cell) for cell in row] for row in workbook.to_python()]
        assert b"<f>" not in _part(content, "xl/worksheets/sheet1.xml")
        assert b"quotePrefix" in _part(content, "xl/styles.xml")
        assert rows[1][6] == "+8613800000000"
    assert rows[0][:3] == ["本店客户编号", "客户姓名", "称谓"]
    browser = await office.signed_in("supervisor")
    path = await _upload(office, browser, content, name=f"back.{format}")
    import_id = path.rpartition("/")[2]
    job = office.database.read_now(lambda c: _job(c, import_id))
    answer = await browser.post(
        f"/api/v1/imports/{import_id}/choice",
        {"header_row": 1, "columns": dict(job.choice.columns.of)},
    )
    assert answer.status == 202, await answer.text()
    done = await office.lists.import_work.work(import_id)
    # The restricted one has no telephone or vehicle, only its number: it is found by that.
    assert (done.counts.unchanged, done.counts.changed, done.counts.added) == (len(EVIL) + 1, 0, 0), (
        done.examples
    )


def _job(connection: Connection, import_id: str) -> Any:
    return import_jobs.get_job(connection, import_id)


def _part(content: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(name)


async def test_an_export_is_somebody_s_own_and_written_down(office: Office) -> None:
    _fill(office)
    office.add_user("other", Role.SUPERVISOR)
    browser, other = await office.signed_in("supervisor"), await office.signed_in("other")
    answer = await browser.post("/api/v1/exports", {"kind": "customers", "format": "csv"})
    job = await _made(browser, await answer.json())
    assert job["rows"] == len(EVIL) + 1
    assert (await other.get(f"/api/v1/exports/{job['id']}/file")).status == 404
    assert (await browser.get(f"/exports/{job['id']}")).status == 200
    noted = office.database.read_now(lambda c: audit.list_entries(c, subject=f"export:{job['id']}"))
    assert noted[-1].data["rows"] == len(EVIL) + 1
    office.clock.advance(25 * 3600)
    await office.lists.clear()
    gone = await browser.get(f"/api/v1/exports/{job['id']}/file")
    assert (gone.status, (await gone.json())["error_id"]) in ((410, "export-gone"), (401, "not-signed-in"))
    assert not list(office.sounds.rglob("*.csv"))


async def test_calls_and_tasks_go_out_as_they_are_filtered(office: Office) -> None:
    office.add_call(number="+8613812345678", queue="service")
    office.add_call(number="+8613912345678", queue="complaints")
    browser = await office.signed_in("supervisor")
    content = await _export(_As(browser), "calls", "csv", queue="service")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert [row[2] for row in rows[1:]] == ["'+8613812345678"]
    assert rows[1][1] == "来电"
    refused = await browser.post("/api/v1/exports", {"kind": "calls", "filter": {"drop": "table"}})
    assert (refused.status, (await refused.json())["error_id"]) == (422, "export-filter")
    for kind in ("tasks", "vehicles", "visits"):
        assert (await _export(_As(browser), kind, "xlsx")).startswith(b"PK")
    assert (await (await office.signed_in("agent")).post("/api/v1/exports", {"kind": "calls"})).status == 403


class _As:
    """A browser asked as a program is."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    async def post(self, path: str, json: Any) -> Any:
        return await self._browser.post(path, json)

    async def get(self, path: str) -> Any:
        return await self._browser.get(path)


def test_rows_leave_the_data_layer_masked_for_who_asked(database: Database, clock: FrozenClock) -> None:
    def work(connection: Connection) -> dict[Role, list[list[Any]]]:
        now = clock.now()
        one = customers.add_customer(connection, name="王小明", now=now, note="请打 13812345678")
        customers.add_contact(connection, one.id, E164("+8613812345678"), now, primary=True)
        shut = customers.add_customer(
            connection, name="李贵宾", now=now, secrecy=Secrecy.RESTRICTED, note="秘密"
        )
        customers.add_contact(connection, shut.id, E164("+8613987654321"), now, primary=True)
        found = {}
        for role in (Role.AGENT, Role.SUPERVISOR, Role.ADMIN):
            viewer = Principal(role=role, via=Via.SESSION, name="x", user_id="U" * 26)
            found[role] = exports.read_page(connection, viewer, ExportKind.CUSTOMERS, {}, None).rows
        return found

    found = database.write_now(work)
    cells = {role: [[one[0], one[1], one[6], one[-1]] for one in rows] for role, rows in found.items()}
    assert cells[Role.SUPERVISOR] == [
        ["C000001", "王小明", "+8613812345678", "请打 13812345678"],
        ["C000002", "李贵宾", "+8613987654321", "秘密"],
    ]
    assert cells[Role.AGENT] == [
        ["C000001", "王小明", "138****5678", "请打 138****5678"],
        ["C000002", "李**", None, None],
    ]
    assert cells[Role.ADMIN][0][1] == "王**"


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice (soffice) is not on this machine")
@pytest.mark.parametrize("format", ["xlsx", "csv"])
async def test_libreoffice_finds_no_formula_in_an_export(office: Office, tmp_path: Path, format: str) -> None:
    _fill(office)
    browser = await office.signed_in("supervisor")
    path = tmp_path / f"out.{format}"
    path.write_bytes(await _export(_As(browser), "customers", format))
    order = ["soffice", "--headless", "--convert-to", "fods", "--outdir", str(tmp_path), str(path)]
    await asyncio.to_thread(subprocess.run, order, check=True, capture_output=True, timeout=120)
    text = (tmp_path / "out.fods").read_text("utf-8")
    assert "table:formula" not in text
    assert "+8613800000000" in text
