"""Who may be on record twice, and the merging of two records and its undoing."""

from __future__ import annotations

from typing import Any

from access.audit import Action
from access.permissions import Permission
from web.api.group_shapes import (
    CompareQuery,
    ComparisonOut,
    DifferentIn,
    DifferentOut,
    FieldPairOut,
    MergeIn,
    MergeOut,
    MergesOut,
    MergesQuery,
    NotRestoredOut,
    PageQuery,
    PairOut,
    PairsOut,
    PersonOut,
)
from web.ports.merging import Comparison, MergeView, PairPage, Person
from web.routes import Ask, Nothing, Route


def _plain(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def person_out(person: Person) -> PersonOut:
    """One record of a pair."""
    return PersonOut.model_validate(
        {**_plain(person), "numbers": list(person.numbers), "plates": list(person.plates)}
    )


def pairs_out(page: PairPage) -> PairsOut:
    """A page of pairs."""
    return PairsOut(
        items=[
            PairOut(
                one=person_out(pair.one),
                other=person_out(pair.other),
                score=pair.score,
                reasons=list(pair.reasons),
                found_at=pair.found_at,
            )
            for pair in page.items
        ],
        waiting=page.waiting,
        waiting_more=page.waiting_more,
        next=page.next,
    )


def merge_out(view: MergeView) -> MergeOut:
    """A merge."""
    return MergeOut.model_validate(
        {
            **_plain(view.merge),
            "choices": dict(view.merge.choices),
            "moved": dict(view.merge.moved),
            "not_restored": [NotRestoredOut.model_validate(_plain(one)) for one in view.merge.not_restored],
            "survivor_number": view.survivor_number,
            "merged_number": view.merged_number,
            "name": view.name,
        }
    )


def comparison_out(found: Comparison) -> ComparisonOut:
    """Both records side by side."""
    return ComparisonOut(
        survivor=person_out(found.survivor),
        merged=person_out(found.merged),
        fields=[FieldPairOut.model_validate({**_plain(one), "differs": one.differs}) for one in found.fields],
        score=found.score,
        reasons=list(found.reasons),
    )


async def list_pairs(ask: Ask[PageQuery, Nothing]) -> PairsOut:
    """Suspected pairs, the most alike first."""
    page = await ask.services.merging.pairs(
        ask.by, cursor=ask.query.cursor, limit=ask.query.limit, now=ask.now
    )
    return pairs_out(page)


async def pairs_of(ask: Ask[Nothing, Nothing]) -> PairsOut:
    """Who else a customer may be."""
    return pairs_out(await ask.services.merging.pairs_of(ask.by, ask.path["customer_id"], ask.now))


async def different(ask: Ask[Nothing, DifferentIn]) -> DifferentOut:
    """Say that two records are two people; it stays said."""
    one, other = ask.body.one_id, ask.body.other_id
    entry = ask.entry(Action.DUPLICATE_DECIDED, f"customer:{one}", {"other": other})
    await ask.services.merging.different(ask.by, one, other, entry)
    return DifferentOut(one_id=one, other_id=other)


async def compare(ask: Ask[CompareQuery, Nothing]) -> ComparisonOut:
    """Two records field by field."""
    return comparison_out(
        await ask.services.merging.compare(ask.by, ask.query.survivor_id, ask.query.merged_id)
    )


async def merge(ask: Ask[Nothing, MergeIn]) -> MergeOut:
    """Make one record of two."""
    body = ask.body
    versions = None
    if body.survivor_version is not None and body.merged_version is not None:
        versions = (body.survivor_version, body.merged_version)
    made = await ask.services.merging.merge(
        ask.by,
        body.survivor_id,
        body.merged_id,
        ask.entry(Action.RECORDS_MERGED, f"customer:{body.survivor_id}", {"merged": body.merged_id}),
        choices={name: side.value for name, side in body.choices.items()},
        versions=versions,
    )
    return merge_out(made)


async def list_merges(ask: Ask[MergesQuery, Nothing]) -> MergesOut:
    """Merges, newest first."""
    page = await ask.services.merging.merges(
        ask.by, customer_id=ask.query.customer_id or "", cursor=ask.query.cursor, limit=ask.query.limit
    )
    return MergesOut(items=[merge_out(one) for one in page.items], next=page.next)


async def undo(ask: Ask[Nothing, Nothing]) -> MergeOut:
    """Put everything back where it was; the answer says what could not be."""
    merge_id = ask.path["merge_id"]
    entry = ask.entry(Action.MERGE_UNDONE, f"merge:{merge_id}")
    return merge_out(await ask.services.merging.undo(ask.by, merge_id, entry))


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/duplicates",
        summary="Who may be on record twice",
        needs=Permission.DUPLICATES_READ,
        json=list_pairs,
        query=PageQuery,
        answer=PairsOut,
        errors=("bad-cursor",),
        tag="duplicates",
    ),
    Route(
        method="GET",
        path="/api/v1/customers/{customer_id}/duplicates",
        summary="Who else a customer may be",
        views="customer",
        needs=Permission.DUPLICATES_READ,
        json=pairs_of,
        answer=PairsOut,
        errors=("customer-not-found",),
        tag="duplicates",
    ),
    Route(
        method="POST",
        path="/api/v1/duplicates/different",
        summary="Say that two records are two people",
        needs=Permission.RECORDS_MERGE,
        json=different,
        body=DifferentIn,
        answer=DifferentOut,
        errors=("customer-not-found", "pair-decided"),
        tag="duplicates",
    ),
    Route(
        method="GET",
        path="/api/v1/duplicates/comparison",
        summary="Two records side by side",
        needs=Permission.RECORDS_MERGE,
        json=compare,
        query=CompareQuery,
        answer=ComparisonOut,
        errors=("customer-not-found", "merge-refused"),
        tag="duplicates",
    ),
    Route(
        method="GET",
        path="/api/v1/merges",
        summary="Merges",
        needs=Permission.RECORDS_MERGE,
        json=list_merges,
        query=MergesQuery,
        answer=MergesOut,
        tag="duplicates",
    ),
    Route(
        method="POST",
        path="/api/v1/merges",
        summary="Make one record of two",
        needs=Permission.RECORDS_MERGE,
        json=merge,
        body=MergeIn,
        answer=MergeOut,
        status=201,
        errors=("customer-not-found", "merge-refused", "record-changed", "bad-record"),
        tag="duplicates",
    ),
    Route(
        method="POST",
        path="/api/v1/merges/{merge_id}/undo",
        summary="Undo a merge",
        needs=Permission.RECORDS_MERGE,
        json=undo,
        answer=MergeOut,
        errors=("merge-not-found", "undo-refused"),
        tag="duplicates",
    ),
)
