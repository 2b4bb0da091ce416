"""The frame of the pages shows what the person's role has, and nothing that would never come alive."""

from __future__ import annotations

import pytest
from fixtures_web import Office

from access.permissions import GRANTS, Permission, Role


@pytest.mark.parametrize("role", list(Role))
async def test_the_lines_state_is_shown_to_those_who_have_a_line(office: Office, role: Role) -> None:
    browser = await office.signed_in(role.value)
    page = await (await browser.get("/me")).text()
    assert ('data-island="link"' in page) is (Permission.LIVE_READ in GRANTS[role])
