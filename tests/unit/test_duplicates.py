"""Who may be one person: signs for and against, their sum, and what hangs together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.records.customers import CustomerKind, Honorific
from crm.records.duplicates import STRONG, SUSPECTED, Print, Reason, compare

N1, N2, N3 = "+8613800001234", "+8613900001234", "+8613700009999"


def printed(name: str, *numbers: str, **more: object) -> Print:
    return Print(customer_id=name, name=name, numbers=frozenset(numbers), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        # One person entered twice.
        (printed("张伟", N1), printed("张伟", N1), STRONG, 100),
        (printed("张伟", N1), printed("张先生", N1), SUSPECTED, 100),
        (printed("张伟", N1), printed("张伟", N2), SUSPECTED, 100),  # a digit in front was wrong
        (printed("张伟"), printed("张 伟", owned=frozenset("v"), plates=frozenset("p")), 0, SUSPECTED - 1),
        (
            printed("张伟", owned=frozenset("v"), vehicles=frozenset("v")),
            printed("张伟", owned=frozenset("v"), vehicles=frozenset("v")),
            SUSPECTED,
            100,
        ),
        (
            printed("张伟", plates=frozenset(["沪A12345"]), vehicles=frozenset("v")),
            printed("张伟", plates=frozenset(["沪A12345"]), vehicles=frozenset("w")),
            SUSPECTED,
            100,
        ),
        (
            printed("张伟", vins=frozenset(["LFV2A21K8B3000001"])),
            printed("张伟", vins=frozenset(["LFV2A21K8B3000007"])),
            SUSPECTED,
            100,
        ),
        (printed("张伟", N1), printed("张伟", N3, former_numbers=frozenset([N1])), SUSPECTED, 100),
        # Two people.
        (printed("张伟", N1), printed("张伟", N3), 0, SUSPECTED - 1),  # a name half a city has
        (printed("张伟", N1), printed("李娜", N1), 0, SUSPECTED - 1),  # husband and wife
        (
            printed("张伟", N1, honorific=Honorific.MR, vehicles=frozenset("v"), owned=frozenset("v")),
            printed("李娜", N1, honorific=Honorific.MS, vehicles=frozenset("v")),
            0,
            SUSPECTED - 1,
        ),
        (printed("张伟", N1), printed("张伟汽车租赁公司", N1, kind=CustomerKind.COMPANY), 0, SUSPECTED - 1),
        (
            printed("张伟", N1, birthday="1980-01-01"),
            printed("张伟", N1, birthday="2004-01-01"),
            0,
            SUSPECTED - 1,
        ),
    ],
)
def test_how_alike(one: Print, other: Print, low: int, high: int) -> None:
    found = compare(one, other)
    assert low <= found.score <= high, found


def test_reasons_are_told() -> None:
    found = compare(
        printed("张伟", N1, honorific=Honorific.MR), printed("张女士", N1, honorific=Honorific.MS)
    )
    assert set(found.reasons) == {Reason.SAME_NUMBER, Reason.SIMILAR_NAME, Reason.OTHER_ADDRESS_FORM}


_names = st.sampled_from(["张伟", "张先生", "张伟明", "李娜", "Anna Li", "anna li"])
_prints = st.builds(
    Print,
    customer_id=st.just("x"),
    name=_names,
    honorific=st.sampled_from(Honorific),
    kind=st.sampled_from(CustomerKind),
    numbers=st.frozensets(st.sampled_from([N1, N2, N3]), max_size=2),
    former_numbers=st.frozensets(st.sampled_from([N1, N2]), max_size=1),
    vehicles=st.frozensets(st.sampled_from("vw"), max_size=2),
    plates=st.frozensets(st.sampled_from(["沪A12345"]), max_size=1),
)


@given(_prints, _prints)
def test_the_order_of_two_does_not_matter(one: Print, other: Print) -> None:
    assert compare(one, other) == compare(other, one)
    assert 0 <= compare(one, other).score <= 100
