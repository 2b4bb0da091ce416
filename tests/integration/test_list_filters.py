"""A day that is none in the filter of a list: refused beside its field, in both languages, and kept as it was typed."""

from __future__ import annotations

import re

from fixtures_web import Office

from storage import vehicles

#: Lists with days in their filter: address, the field, its neighbour with a good day, and a word of another field.
LISTS = {
    "/calls?mine=true": ("since", "until", 'name="mine" value="true" checked'),
    "/audit?subject=customer:X": ("since", "until", 'value="customer:X"'),
    "/recordings?number=13800000000": ("until", "since", 'value="13800000000"'),
    "/vehicles?plate=Z8": ("due_from", "due_to", 'value="Z8"'),
}


def shown(page: str, name: str) -> str:
    """The value of a field of the page."""
    field = re.search(rf'<input[^>]* name="{name}"[^>]*>', page)
    assert field is not None
    value = re.search(r'value="([^"]*)"', field[0])
    assert value is not None
    return value[1] + (" wrong" if 'aria-invalid="true"' in field[0] else "")


async def test_a_day_that_is_none_is_said_beside_its_field(office: Office) -> None:
    office.database.write_now(lambda c: vehicles.add_vehicle(c, now=office.clock.now(), plate="沪A12345"))
    office.add_user("english", office.users["manager"].role, language="en")
    for login, sentence, not_read in (
        ("manager", "没有“2026-02-31”这一天，日期请写成 2026-01-31 这样。", "列表没有查询"),
        ("english", "There is no day 2026-02-31. A day is written 2026-01-31.", "so nothing was looked up"),
    ):
        browser = await office.signed_in(login)
        for address, (field, neighbour, kept) in LISTS.items():
            answer = await browser.get(f"{address}&{field}=2026-02-31&{neighbour}=2026-03-01")
            page = (await answer.text()).replace("&#39;", "'")
            assert answer.status == 400, address
            assert sentence in page, address
            assert shown(page, field) == "2026-02-31 wrong", address
            assert shown(page, neighbour) == "2026-03-01", address
            assert kept in page, address
            assert not_read in page, address
            assert "沪A12345" not in page


async def test_what_is_no_day_is_never_taken_for_none_and_all_else_is_as_before(office: Office) -> None:
    browser = await office.signed_in("manager")
    for typed in ("today", "2026-1-5", "0001-01-01", "20260105", "2026-01-05T00:00:00"):
        answer = await browser.get("/calls", params={"since": typed})
        assert (answer.status, shown(await answer.text(), "since")) == (400, f"{typed} wrong")
    for address, (field, neighbour, _kept) in LISTS.items():
        good = await browser.get(f"{address}&{field}=2026-02-28&{neighbour}=")
        page = await good.text()
        assert (good.status, shown(page, field)) == (200, "2026-02-28"), address
    both = await browser.get("/calls?since=2026-02-31&scope=none")
    assert both.status == 400
    assert 'name="since"' not in await both.text(), "another mistake is refused as ever"
    hour = await (await browser.get("/calls?since=2026-06-16&until=2026-06-17&hour=9")).text()
    assert (shown(hour, "since"), shown(hour, "until")) == ("2026-06-16", "")
