"""Written reports with their distribution lists and schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from access.audit import Entry
from access.permissions import Permission
from access.users import LANGUAGES, Language, Principal
from config.books.reports.book import HOUSE
from config.books.reports.lists import LONGEST_PERIOD, RATIOS, ReportLists
from crm.cases.cases import CaseNotFound
from crm.links.links import LinkKind
from crm.reports.documents import (
    KINDS,
    Arrival,
    Cadence,
    How,
    Recipient,
    Report,
    ReportKind,
    ReportState,
    ReportStep,
    Schedule,
    due_period,
)
from crm.reports.documents import (
    possible as report_steps_of,
)
from crm.reports.rows import BadReport, Figure, ReportNotFound, Source, Wanted
from storage import (
    audit,
    case_reports,
    links,
    report_rows,
    users,
)
from storage.case_rows import get_case
from storage.sight import Sight, sight
from web.languages import text, texts
from web.ports.reports import (
    PrivateLink,
    ReportView,
)


class WrittenReports(ReportLists):
    """Written reports with their distribution lists and schedules, drafted from the statistics of `ReportLists`."""

    async def reports(
        self,
        viewer: Principal,
        *,
        state: ReportState | None,
        case_id: str,
        cursor: str | None,
        limit: int,
    ) -> tuple[Sequence[Report], str | None]:
        before = report_rows.read_cursor(cursor) if cursor is not None else None
        found = await self._database.read(
            lambda c: case_reports.list_reports(
                c, state=state, case_id=case_id, before=before, limit=limit + 1
            )
        )
        kept = found[:limit]
        following = f"{kept[-1].drafted_at.isoformat()}~{kept[-1].id}" if len(found) > limit else None
        return kept, following

    async def draft_report(
        self,
        viewer: Principal,
        entry: Entry,
        *,
        occasion: str,
        kind: ReportKind,
        language: str,
        first: date,
        last: date,
        case_id: str | None,
        list_id: str | None,
        title: str,
    ) -> ReportView:
        if last < first or last - first > LONGEST_PERIOD:
            raise BadReport("The period ends before it begins, or is longer than two years.", field="last")

        def work(connection: Connection) -> ReportView:
            known = case_reports.report_of_occasion(connection, occasion)
            if known is not None:
                return self._report(connection, viewer, known)
            made, _new = self._draft(
                connection,
                viewer,
                occasion=occasion,
                kind=kind,
                language=language,
                first=first,
                last=last,
                case_id=case_id,
                list_id=list_id,
                title=title,
                now=entry.at,
            )
            audit.append(connection, replace(entry, subject=f"report:{made.id}"))
            return self._report(connection, viewer, made)

        return await self._database.write(work)

    def _draft(
        self,
        connection: Connection,
        viewer: Principal,
        *,
        occasion: str,
        kind: ReportKind,
        language: str,
        first: date,
        last: date,
        case_id: str | None,
        list_id: str | None,
        title: str,
        now: datetime,
    ) -> tuple[Report, bool]:
        spoken = next((one for one in LANGUAGES if one == language), LANGUAGES[0])
        figures = self._counted(connection, viewer, kind, first, last, case_id, now)
        if case_id:
            sections, about = self._of_case(connection, viewer, case_id, spoken, now)
        else:
            sections, about = self._of_period(connection, viewer, kind, first, last, figures, spoken, now), ""
        named = title or text(
            spoken,
            f"reports.title.{kind.value}",
            about=about or text(spoken, "reports.period", first=first, last=last),
        )
        return case_reports.add(
            connection,
            occasion=occasion,
            kind=kind,
            language=spoken,
            title=named[:200],
            first=first,
            last=last,
            case_id=case_id,
            sections=sections,
            figures=figures,
            list_id=list_id,
            by=None if viewer is HOUSE else viewer,
            now=now,
        )

    def _counted(
        self,
        connection: Connection,
        viewer: Principal,
        kind: ReportKind,
        first: date,
        last: date,
        case_id: str | None,
        now: datetime,
    ) -> list[Figure]:
        since, until = self.bounds(first, last)
        wanted = Wanted(since=since, until=until)
        found = [
            report_rows.figure(connection, viewer, one, wanted, now)
            for one in KINDS[kind].figures
            if one in report_rows.SOURCES
        ]
        if kind is ReportKind.COMPLAINTS or (kind is ReportKind.INVESTIGATION and not case_id):
            for name, part, _whole in RATIOS:
                found.append(
                    report_rows.figure(
                        connection, viewer, Source.CASES, replace(wanted, mark=part), now, name=name
                    )
                )
        return found

    def _of_case(
        self, connection: Connection, viewer: Principal, case_id: str, language: Language, now: datetime
    ) -> tuple[dict[str, str], str]:
        """What a case says about itself, section by section. Raises CaseNotFound."""
        case = get_case(connection, case_id)
        if case.customer_id and sight(connection, viewer, case.customer_id, now) is not Sight.OPEN:
            raise CaseNotFound("There is no such case.")

        def said(pairs: Sequence[tuple[str, object]]) -> str:
            lines = []
            for key, value in pairs:
                if value in (None, ""):
                    continue
                if isinstance(value, datetime):
                    value = f"{value.astimezone(self._zone):%Y-%m-%d %H:%M}"
                lines.append(_line(language, text(language, f"reports.draft.{key}"), value))
            return "\n".join(lines)

        def word(family: str, value: object) -> str:
            return texts(language).get(f"reports.{family}.{value}", str(value)) if value else ""

        sections = {
            "facts": said(
                [
                    ("number", case.number),
                    ("opened_at", case.opened_at),
                    ("kind", word("kind", case.kind.value)),
                    ("grade", word("grade", case.grade.value)),
                    ("subject", case.subject),
                    ("words", case.words),
                    ("happened", case.happened),
                    ("place", case.place),
                    ("symptom", case.symptom),
                    ("wants", case.wants),
                ]
            ),
            "causes": case.cause,
            "responsibility": said(
                [
                    (
                        "responsibility",
                        word("responsibility", case.responsibility.value if case.responsibility else ""),
                    ),
                    ("department", case.department or ""),
                    ("person", case.departmental_person),
                ]
            ),
            "actions": said(
                [
                    ("plan", case.plan),
                    ("carry_out_on", case.carry_out_on),
                    ("corrective_action", case.corrective_action),
                    ("corrective_owner", case.corrective_owner),
                    ("corrective_on", case.corrective_on),
                ]
            ),
            "effect": said(
                [
                    ("effect_on", case.effect_on),
                    ("effect", word("effect", case.effect.value if case.effect else "")),
                    ("effect_words", case.effect_words),
                ]
            ),
            "conclusion": said(
                [
                    ("round", case.round),
                    ("ending", word("ending", case.ending.value if case.ending else "open")),
                    ("closed_at", case.closed_at),
                    ("closing_words", case.closing_words),
                ]
            ),
        }
        return sections, f"{case.number} {case.subject}"

    def _of_period(
        self,
        connection: Connection,
        viewer: Principal,
        kind: ReportKind,
        first: date,
        last: date,
        figures: Sequence[Figure],
        language: Language,
        now: datetime,
    ) -> dict[str, str]:
        """What the data of a period say, section by section; people write the rest."""
        known = texts(language)

        def named(figure: Figure) -> str:
            return known.get(f"reports.count.{figure.name}") or text(
                language, f"reports.source.{figure.name}"
            )

        lines = [_line(language, named(one), one.count) for one in figures]
        drafted = {
            "overview": "\n".join(lines),
            "notice": text(language, "reports.draft.notice", first=first, last=last),
        }
        if kind in (ReportKind.INVESTIGATION, ReportKind.COMPLAINTS):
            found = self._statistics(connection, viewer, first, last, Wanted(), now, weekly=False)

            def grouped(group: str) -> str:
                out = []
                for worth, label, figure in found.groups[group]:
                    word = known.get(
                        f"reports.{group}.{worth}", label or text(language, "reports.no_department")
                    )
                    out.append(_line(language, word, figure.count))
                return "\n".join(out)

            drafted |= {
                "facts": "\n".join([drafted["overview"], grouped("kind"), grouped("department")]).strip(),
                "causes": grouped("cause"),
                "responsibility": grouped("responsibility"),
            }
        return {name: drafted.get(name, "") for name in KINDS[kind].sections}

    def _report(self, connection: Connection, viewer: Principal, found: Report) -> ReportView:
        approves = viewer.may(Permission.CASES_EXCEPTION)
        writes = viewer.may(Permission.REPORTS_WRITE)
        steps = case_reports.steps_of(connection, found.id)
        return ReportView(
            report=found,
            possible=[one.value for one in report_steps_of(found.state, approves=approves)] if writes else [],
            steps=steps,
            names=users.user_names(connection),
        )

    async def report(self, viewer: Principal, report_id: str, now: datetime) -> ReportView:
        return await self._database.read(
            lambda c: self._report(c, viewer, self._seen_report(c, viewer, report_id, now))
        )

    def _seen_report(
        self, connection: Connection, viewer: Principal, report_id: str, now: datetime
    ) -> Report:
        """A report this person may read: the case it is about must be open to him. Raises ReportNotFound."""
        found = case_reports.get(connection, report_id)
        if found.case_id:
            try:
                case = get_case(connection, found.case_id)
            except CaseNotFound:
                return found  # past its time; what was written stays
            if case.customer_id and sight(connection, viewer, case.customer_id, now) is not Sight.OPEN:
                raise ReportNotFound("There is no such report.")
        return found

    async def report_step(
        self,
        viewer: Principal,
        report_id: str,
        step: ReportStep,
        entry: Entry,
        *,
        version: int,
        note: str,
        title: str | None,
        sections: Mapping[str, str] | None,
        recipients: Sequence[Mapping[str, Any]] | None,
    ) -> ReportView:
        def work(connection: Connection) -> ReportView:
            before = self._seen_report(connection, viewer, report_id, entry.at)
            figures = None
            if step is ReportStep.REFRESH:
                figures = self._counted(
                    connection, viewer, before.kind, before.first, before.last, before.case_id, entry.at
                )
            done = case_reports.take_step(
                connection,
                report_id,
                step,
                by=viewer,
                approves=viewer.may(Permission.CASES_EXCEPTION),
                version=version,
                now=entry.at,
                note=note,
                title=title,
                sections=sections,
                figures=figures,
                recipients=recipients,
            )
            if done.version != before.version:
                audit.append(connection, entry)
            return self._report(connection, viewer, done)

        return await self._database.write(work)

    async def received(self, viewer: Principal) -> Sequence[tuple[Report, Recipient]]:
        if viewer.user_id is None:
            return []
        user_id = viewer.user_id
        return await self._database.read(lambda c: case_reports.received(c, user_id))

    async def read_received(self, viewer: Principal, report_id: str, now: datetime) -> Report:
        user_id = viewer.user_id or "-"

        def work(connection: Connection) -> Report:
            if not case_reports.is_sent_to(connection, report_id, user_id):
                raise ReportNotFound("There is no such report.")
            case_reports.note_read(connection, report_id, now, user_id=user_id)
            return case_reports.get(connection, report_id)

        return await self._database.write(work)

    async def link_report(self, viewer: Principal, recipient_id: str, entry: Entry) -> PrivateLink:
        def work(connection: Connection) -> PrivateLink:
            report_id, who = case_reports.recipient(connection, recipient_id)
            self._seen_report(connection, viewer, report_id, entry.at)
            if who.how is not How.LINK or who.state is Arrival.WAITING:
                raise BadReport(
                    "A link is made for a recipient by link, once the report is sent.", field="how"
                )
            made = self._link(connection, LinkKind.REPORT, recipient_id, who.name, viewer, entry.at)
            audit.append(connection, entry)
            return made

        return await self._database.write(work)

    async def delivered(self, viewer: Principal, recipient_id: str, entry: Entry) -> ReportView:
        def work(connection: Connection) -> ReportView:
            report_id, _who = case_reports.recipient(connection, recipient_id)
            found = self._seen_report(connection, viewer, report_id, entry.at)
            if case_reports.note_read(connection, report_id, entry.at, recipient_id=recipient_id):
                audit.append(connection, entry)
                found = case_reports.get(connection, report_id)
            return self._report(connection, viewer, found)

        return await self._database.write(work)

    async def lists(self) -> Sequence[Mapping[str, Any]]:
        return await self._database.read(case_reports.lists)

    async def save_list(
        self,
        entry: Entry,
        *,
        list_id: str | None,
        name: str,
        entries: Sequence[Mapping[str, Any]],
        version: int,
    ) -> Mapping[str, Any]:
        def work(connection: Connection) -> Mapping[str, Any]:
            made = case_reports.save_list(
                connection, list_id=list_id, name=name, entries=entries, version=version, now=entry.at
            )
            audit.append(connection, replace(entry, subject=f"report_list:{made['id']}"))
            return made

        return await self._database.write(work)

    async def schedules(self) -> Sequence[Schedule]:
        return await self._database.read(case_reports.schedules)

    async def save_schedule(
        self,
        entry: Entry,
        *,
        schedule_id: str,
        kind: ReportKind,
        language: str,
        cadence: Cadence,
        day: int,
        list_id: str | None,
        is_on: bool,
        version: int,
    ) -> Schedule:
        def work(connection: Connection) -> Schedule:
            wanted = Schedule(
                id=schedule_id,
                kind=kind,
                language=language,
                cadence=cadence,
                day=day,
                list_id=list_id,
                is_on=is_on,
                since=self.today(entry.at),
                version=version,
            )
            made = case_reports.save_schedule(connection, wanted, entry.at)
            audit.append(connection, replace(entry, subject=f"report_schedule:{made.id}"))
            return made

        return await self._database.write(work)

    async def draft_scheduled(self, now: datetime) -> int:
        """Draft every regular report that is due and was not drafted; how many are new."""
        today = self.today(now)

        def work(connection: Connection) -> int:
            new = 0
            for one in case_reports.schedules(connection, only_on=True):
                period = due_period(one, today)
                if period is None:
                    continue
                occasion = f"schedule:{one.id}:{period[0].isoformat()}"
                if case_reports.report_of_occasion(connection, occasion) is not None:
                    continue
                _made, is_new = self._draft(
                    connection,
                    HOUSE,
                    occasion=occasion,
                    kind=one.kind,
                    language=one.language,
                    first=period[0],
                    last=period[1],
                    case_id=None,
                    list_id=one.list_id,
                    title="",
                    now=now,
                )
                new += is_new
            return new

        return await self._database.write(work)

    async def users(self) -> Mapping[str, str]:
        return await self._database.read(
            lambda c: {one.id: one.name for one in users.list_users(c) if one.disabled_at is None}
        )

    async def open_report_link(self, secret: str, pin: str | None, now: datetime) -> Report | None:
        def work(connection: Connection) -> Report | Exception | None:
            link = links.open_link(connection, LinkKind.REPORT, secret, now)
            if pin is None:
                return None
            wrong = links.check_pin(connection, link, pin)
            if wrong is not None:
                return wrong
            report_id, _who = case_reports.recipient(connection, link.subject)
            case_reports.note_read(connection, report_id, now, recipient_id=link.subject)
            return case_reports.get(connection, report_id)

        found = await self._database.write(work)
        if isinstance(found, Exception):  # raised here, so that the wrong try stays counted
            raise found
        return found


def _line(language: Language, name: str, value: object) -> str:
    """One thing and what it is."""
    return f"{name}{text(language, 'reports.colon')}{value}"
