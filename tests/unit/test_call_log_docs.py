"""The state diagram in docs/call-log.md is made from the table the code uses.

python -m tests.unit.test_call_log_docs      writes it
"""

from __future__ import annotations

from pathlib import Path

from telephony.calls import CallState
from telephony.tracker import STEPS

PAGE = Path(__file__).parents[2] / "docs" / "call-log.md"
BEGIN, END = "<!-- states: begin -->", "<!-- states: end -->"


def diagram() -> str:
    """Mermaid text of the state table."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {CallState.OFFERED.value}"]
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, kind), following in STEPS.items():
        arrows.setdefault((state.value, following.value), []).append(kind.value)
    for (state, following), kinds in arrows.items():
        lines.append(f"    {state} --> {following}: {', '.join(kinds)}")
    for state in CallState:
        if state is not CallState.ENDED:
            lines.append(f"    {state.value} --> {CallState.ENDED.value}: the customer's leg ends")
    lines += [f"    {CallState.ENDED.value} --> [*]", "```"]
    return "\n".join(lines)


def page_with(text: str, page: str) -> str:
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{text}\n{END}{tail}"


def test_the_page_shows_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with(diagram(), page), "run: python -m tests.unit.test_call_log_docs"


if __name__ == "__main__":
    PAGE.write_text(page_with(diagram(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
