"""Files that dealers bring, and files that mean harm: what is read, what is refused, what reading may cost (S14)."""

from __future__ import annotations

import asyncio
import datetime
import resource
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from crm.imports.fields import ImportKind
from crm.imports.files.guards import FileRefused, Limits
from crm.imports.files.lines import rows_of
from crm.imports.files.reader import read_file
from crm.imports.headers import find_header, key_of, suggest

LIMITS = Limits(seconds=20)


async def _read(
    path: Path, *, name: str = "", sheet: str = "", limits: Limits = LIMITS
) -> tuple[Mapping[str, Any], list[Any]]:
    out = path.with_name(path.name + ".rows")
    found = await read_file(path, name=name or path.name, sheet=sheet, out=out, limits=limits)
    return found, list(rows_of(out))


async def _refusal(path: Path, **how: Any) -> str:
    with pytest.raises(FileRefused) as refused:
        await _read(path, **how)
    return refused.value.error_id


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A workbook as a dealer's: title rows, hidden rows and sheets, merged cells, formulas, days."""
    path = tmp_path / "交车.xlsx"
    with xlsxwriter.Workbook(str(path)) as workbook:
        day = workbook.add_format({"num_format": "yyyy/m/d"})
        notes = workbook.add_worksheet("说明")
        notes.hide()
        notes.write(0, 0, "内部")
        sheet = workbook.add_worksheet("交车清单")
        sheet.activate()
        sheet.set_first_sheet()
        sheet.merge_range(0, 0, 0, 4, "2026年3月交车清单")
        sheet.write_row(2, 0, ["客户姓名*", "手机号码（必填）", "车架号(VIN)", "交车日期", "行驶里程(km)"])
        sheet.merge_range(3, 0, 4, 0, "张伟")
        sheet.write_number(3, 1, 13812345678)
        sheet.write_number(4, 1, 13812345678)
        sheet.write(3, 2, "LGWEF4A57MF000001")
        sheet.write(4, 2, "LGWEF4A57MF000002")
        sheet.write_datetime(3, 3, datetime.datetime(2026, 3, 5), day)  # noqa: DTZ001 - a cell's
        sheet.write(4, 3, "2026年3月6日")
        sheet.write_formula(3, 4, "=10+2", None, 12)
        sheet.write_formula(4, 4, "=10+3", None, "")
        sheet.write_row(5, 0, ["李娜", "13900000001", "LGWEF4A57MF000003", "2026/3/7", 5])
        sheet.set_row(5, None, None, {"hidden": True})
    return path


async def test_a_workbook_is_read_as_a_person_sees_it(book: Path) -> None:
    found, rows = await _read(book)
    assert found["sheet"] == "交车清单"
    assert found["sheets"] == [
        {"name": "说明", "hidden": True},
        {"name": "交车清单", "hidden": False},
    ]
    assert found["hidden_rows"] == 1
    assert found["merged"] == 2
    assert found["uncomputed"] == 1
    first = [row["cells"] for row in found["first"]]
    header = find_header(ImportKind.CUSTOMERS, first)
    assert found["first"][header]["row"] == 3
    assert suggest(ImportKind.CUSTOMERS, first[header]) == ("name", "phone", "vin", "delivered_on", "mileage")
    assert [row.number for row in rows] == [1, 3, 4, 5, 6]
    assert rows[2].cells == ["张伟", 13812345678.0, "LGWEF4A57MF000001", datetime.date(2026, 3, 5), 12.0]
    assert rows[3].cells[0] == "张伟", "a value merged downwards holds in every row"
    assert rows[3].cells[4] == "#CALC!", "a formula nobody has counted out has no value"
    assert rows[4].hidden


async def test_another_sheet_may_be_asked_for(book: Path) -> None:
    found, rows = await _read(book, sheet="说明")
    assert found["sheet"] == "说明"
    assert rows[0].cells == ["内部"]
    assert await _refusal(book, sheet="没有") == "file-sheet-unknown"


async def test_days_counted_from_1904_are_read_as_what_they_mean(tmp_path: Path) -> None:
    path = tmp_path / "mac.xlsx"
    with xlsxwriter.Workbook(str(path), {"date_1904": True}) as workbook:
        sheet = workbook.add_worksheet()
        day = workbook.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(0, 0, ["姓名", "交车日期"])
        sheet.write(1, 0, "王芳")
        sheet.write_datetime(1, 1, datetime.datetime(2026, 3, 5), day)  # noqa: DTZ001
    found, rows = await _read(path)
    assert found["from_1904"] is True
    assert rows[1].cells[1] == datetime.date(2026, 3, 5)


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [
        ("utf-8", ","),
        ("utf-8-sig", ","),
        ("gb18030", ","),
        ("gbk", "\t"),
        ("utf-16", "\t"),
        ("utf-16-le", ";"),
        ("utf-16-be", ","),
    ],
)
async def test_text_is_read_in_the_encodings_that_dealers_use(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    path = tmp_path / "list.csv"
    lines = [
        ["姓名", "手机", "备注"],
        ["王小明", "１３８１２３４５６７８", f'说"好"{delimiter}下次'],
        [],
        ["赵敏", "13900000001", "两\n行"],
    ]
    text = "\r\n".join(delimiter.join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines)
    path.write_bytes(text.encode(encoding))
    found, rows = await _read(path)
    assert found["delimiter"] == delimiter
    assert [row.cells for row in rows] == [line for line in lines if line]
    assert [row.number for row in rows] == [1, 2, 4]


# -- files that mean harm -----------------------------------------------------------------------------


def _package(parts: Mapping[str, bytes], path: Path) -> Path:
    base = {
        "[Content_Types].xml": b"<Types/>",
        "xl/workbook.xml": b'<workbook><sheets><sheet name="a" sheetId="1" r:id="rId1"/></sheets></workbook>',
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**base, **parts}.items():
            archive.writestr(name, content)
    return path


def _zeros(path: Path, name: str, size: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("xl/workbook.xml", b"<workbook/>")
        with archive.open(name, "w", force_zip64=True) as file:
            block = b" " * 1024 * 1024
            for _ in range(size // len(block)):
                file.write(block)
    return path


async def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = _zeros(tmp_path / "bomb.xlsx", "xl/worksheets/sheet1.xml", 1024 * 1024 * 1024)
    assert path.stat().st_size < 8 * 1024 * 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert await _refusal(path) == "file-unpacks-too-large"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000, (
        "the service's own memory, kB"
    )


async def test_a_part_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = _zeros(tmp_path / "liar.xlsx", "xl/worksheets/sheet1.xml", 30 * 1024 * 1024)
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = content.rfind(signature)
        struct.pack_into("<I", content, place + offset, 1000)  # "unpacked size: 1000 bytes"
    path.write_bytes(content)
    assert await _refusal(path) in ("file-damaged", "file-unpacks-too-large")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
async def test_entities_are_refused(tmp_path: Path, encoding: str) -> None:
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "lol"><!ENTITY y "&x;&x;&x;">]><worksheet>&y;</worksheet>'
    path = _package({"xl/worksheets/sheet1.xml": bomb.encode(encoding)}, tmp_path / "entities.xlsx")
    assert await _refusal(path) == "file-has-entities"


@pytest.mark.parametrize("name", ["../../etc/cron.d/x", "/etc/passwd", "xl\\..\\x.xml", "C:/x.xml"])
async def test_parts_with_paths_are_refused(tmp_path: Path, name: str) -> None:
    assert await _refusal(_package({name: b"x"}, tmp_path / "paths.xlsx")) == "file-has-paths"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<html><body><table><tr><td>a</td></tr></table></body></html>", "file-is-html"),
        (b"\xef\xbb\xbf \n<!DOCTYPE html><html></html>", "file-is-html"),
        ("\ufeff<html><table></table></html>".encode("utf-16-le"), "file-is-html"),
        (
            b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>',
            "file-unknown",
        ),
        (b"name,phone\n", "file-not-what-it-says"),
        (b"%PDF-1.7 \x00\x01", "file-not-what-it-says"),
        (b"PK\x03\x04 and then nothing of a zip", "file-damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "file-damaged"),
        (b"", "file-empty"),
    ],
)
async def test_what_is_no_workbook_is_refused_whatever_its_name(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path = tmp_path / "list.xlsx"
    path.write_bytes(content)
    assert await _refusal(path) == why


async def test_a_zip_of_something_else_and_a_picture_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.xlsx"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("word/document.xml", b"<w/>")
    assert await _refusal(other) == "file-unknown"
    picture = tmp_path / "list.csv"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + zlib.compress(b"x" * 100))
    assert await _refusal(picture) in ("file-unknown", "file-encoding-unknown")


async def test_limits_hold(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("姓名,手机\n" + "张,1\n" * 300, encoding="utf-8")
    assert await _refusal(path, limits=replace(LIMITS, rows=200)) == "file-too-many-rows"
    assert await _refusal(path, limits=replace(LIMITS, bytes=100)) == "file-too-large"
    path.write_text(",".join("abc") * 100, encoding="utf-8")
    assert await _refusal(path, limits=replace(LIMITS, columns=50)) == "file-too-wide"
    path.write_text('a,"' + "x" * 300_000, encoding="utf-8")
    assert await _refusal(path) == "file-cell-too-long"


async def test_a_sheet_that_is_mostly_air_ends_the_reading_process_and_nothing_else(tmp_path: Path) -> None:
    # Two cells in the far corners: a reader that fills the rectangle needs 17 billion cells.
    path = tmp_path / "air.xlsx"
    with xlsxwriter.Workbook(str(path)) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write(0, 0, "姓名")
        sheet.write(1_048_575, 16_383, "x")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert await _refusal(path) in ("file-needs-too-much", "file-too-many-rows", "file-damaged")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


async def test_reading_stops_when_nobody_waits_for_it(book: Path) -> None:
    task = asyncio.create_task(_read(book))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_names_of_columns_are_compared_without_what_people_add() -> None:
    assert key_of(" 手机号码（必填）* ") == "手机号码"
    assert key_of("Phone Number:") == "phonenumber"
    assert key_of("(VIN)") == "vin"
    assert suggest(ImportKind.CUSTOMERS, ["客户联系手机号", "?", "车主姓名"]) == ("phone", None, "name")
    kept = {key_of("DMS手机"): "phone", key_of("手机"): ""}
    assert suggest(ImportKind.CUSTOMERS, ["手机", "DMS手机"], kept) == (None, "phone")
    assert suggest(ImportKind.OPTOUTS, ["号码", "日期"]) == ("phone", "since")
