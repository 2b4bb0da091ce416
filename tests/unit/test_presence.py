"""Who has a page that answers (R26)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from web.presence import ASK_SECONDS, GONE_SECONDS, Presence, Seen


def test_who_stops_answering_is_gone_within_ten_seconds_and_told_once() -> None:
    presence = Presence()
    assert presence.heard("li", 100.0)
    assert not presence.heard("li", 104.0)
    assert list(presence.look(104.0 + GONE_SECONDS)) == []
    assert list(presence.look(104.5 + GONE_SECONDS)) == ["li"]
    assert list(presence.look(120.0)) == []
    assert presence.seen["li"] == Seen(here=False, since=104.0)
    assert GONE_SECONDS + 0.5 < 10
    assert presence.heard("li", 130.0), "he is back, and that is news"


def test_one_lost_answer_ends_nothing() -> None:
    assert 2 * ASK_SECONDS < GONE_SECONDS


@given(st.lists(st.tuples(st.sampled_from(["li", "wang"]), st.floats(0, 30)), max_size=30))
def test_nobody_who_answers_in_time_is_ever_gone(answers: list[tuple[str, float]]) -> None:
    presence, now, last = Presence(), 0.0, dict[str, float]()
    for who, pause in answers:
        now += pause
        gone = set(presence.look(now))
        assert gone == {one for one in last if now - last[one] > GONE_SECONDS and one in gone}
        assert all(now - last[one] > GONE_SECONDS for one in gone)
        presence.heard(who, now)
        last[who] = now
        assert presence.seen[who].here
