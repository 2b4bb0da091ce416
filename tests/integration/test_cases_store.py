"""Cases on both databases: the whole way, rounds, deadlines, repeats, merges, links, and two people acting at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fixtures_cases import HOURS, REPLY, CaseHouse, at

from access.permissions import Role
from access.users import Principal, Via
from crm.cases.applying import Actor
from crm.cases.cases import (
    BadCase,
    By,
    Case,
    CaseChanged,
    CaseKind,
    CaseNotFound,
    CaseSource,
    CaseState,
    Due,
    Effect,
    Ending,
    Grade,
    NewCase,
    Reached,
    StepForbidden,
    StepNotAllowed,
)
from crm.cases.steps import Given, Step
from crm.cases.trail import replay
from crm.links.links import LinkKind, LinkRevoked
from crm.records.changes import Author
from crm.tasks.tasks import TaskKind, TaskState
from storage import case_links, cases, customers, erasure, links, merging, retention, tasks, traces


@pytest.fixture
def house(case_house: CaseHouse) -> CaseHouse:
    return case_house


# -- the way ------------------------------------------------------------------------------------------


def test_from_the_complaint_through_two_rounds_to_the_archive(house: CaseHouse) -> None:
    case = house.open()  # Tuesday 16 June, 10:00
    assert (case.number, case.state, case.handler_id) == (
        "TS2026-000001",
        CaseState.REGISTERED,
        house.agent.user_id,
    )
    assert case.phone == "+8613800000001"  # the customer's main number, where none was given
    assert house.open_tasks() == [(TaskKind.CASE, house.agent.user_id)]

    case = house.step(case, Step.ASSIGN, Given(department="service", departmental_person="车间主任"))
    assert house.open_tasks() == []  # the department has the next step
    case = house.step(case, Step.ACCEPT)
    case = house.step(case, Step.START)
    case = house.step(case, Step.REPLY, REPLY)
    assert house.open_tasks() == [(TaskKind.TELL_PLAN, house.agent.user_id)]
    case = house.step(case, Step.RETURN_REPLY, Given(words="没有说明谁负责"))
    assert case.state is CaseState.HANDLING
    case = house.step(case, Step.REPLY, REPLY)
    case = house.step(case, Step.TELL_PLAN, Given(reached=Reached.UNREACHABLE))
    assert (case.state, case.tell_tries) == (CaseState.REPLIED, 1)
    with pytest.raises(BadCase) as silent:
        house.step(case, Step.TELL_PLAN, Given(reached=Reached.REFUSED))
    assert silent.value.field == "words"
    case = house.step(case, Step.TELL_PLAN, Given(reached=Reached.REFUSED, words="要换压缩机"))
    assert (case.state, case.round, case.refusals) == (CaseState.HANDLING, 1, 1)
    assert case.answered_at == house.clock.now()
    case = house.step(case, Step.REPLY, REPLY)
    case = house.step(case, Step.TELL_PLAN, Given(reached=Reached.AGREED))
    case = house.step(case, Step.CARRIED_OUT)
    assert house.open_tasks() == [(TaskKind.SECOND_VISIT, house.agent.user_id)]
    assert case.due_at == at(18, 18)  # two working days later, by the evening
    with pytest.raises(StepNotAllowed) as early:
        house.step(case, Step.CLOSE)
    assert "second_visit" in early.value.allowed_steps
    assert "close" not in early.value.allowed_steps

    case = house.step(case, Step.SECOND_VISIT, Given(reached=Reached.UNREACHABLE))
    assert (case.visit_tries, case.due_at) == (1, at(17, 18))
    case = house.step(case, Step.SECOND_VISIT, Given(reached=Reached.DISSATISFIED, words="昨天又不冷了"))
    assert (case.state, case.round, case.department) == (CaseState.ASSIGNED, 2, "service")
    assert (case.plan, case.verdict, case.visit_tries) == ("", None, 0)

    for step, given in (
        (Step.ACCEPT, Given()),
        (Step.REPLY, REPLY),
        (Step.TELL_PLAN, Given(reached=Reached.AGREED)),
        (Step.CARRIED_OUT, Given()),
        (Step.SECOND_VISIT, Given(reached=Reached.SATISFIED)),
    ):
        case = house.step(case, step, given)
    assert (case.state, case.due_what) == (CaseState.SECOND_VISIT, Due.CLOSE)
    case = house.step(case, Step.CLOSE, Given(words="已核对"))
    assert (case.state, case.ending, case.due_at) == (CaseState.CLOSED, Ending.SATISFIED, None)
    assert house.open_tasks() == [(TaskKind.EFFECT_CHECK, house.agent.user_id)]
    case = house.step(case, Step.EFFECT, Given(effect=Effect.NOT_HELPED, words="六月又有三起"))
    assert (case.effect, house.open_tasks()) == (Effect.NOT_HELPED, [])
    assert len(house.trail(case)) == case.events == 21
    with pytest.raises(StepNotAllowed) as shut:
        house.step(case, Step.ASSIGN, Given(department="sales"))
    assert set(shut.value.allowed_steps) == {"analyse", "tie", "note"}


def test_a_short_road_is_answered_and_a_complaint_cannot_take_it(house: CaseHouse) -> None:
    praise = house.open(kind=CaseKind.PRAISE, subject="技师很耐心")
    assert praise.due_what is Due.ANSWER
    with pytest.raises(BadCase):
        house.step(praise, Step.ANSWER)
    done = house.step(praise, Step.ANSWER, Given(words="已转达，谢谢"))
    assert (done.state, done.ending, done.closing_words) == (
        CaseState.CLOSED,
        Ending.ANSWERED,
        "已转达，谢谢",
    )
    assert house.open_tasks() == []
    complaint = house.open()
    with pytest.raises(StepNotAllowed):
        house.step(complaint, Step.ANSWER, Given(words="好了"))
    with pytest.raises(BadCase) as kept:
        house.step(complaint, Step.CLASSIFY, Given(kind=CaseKind.INQUIRY))
    assert kept.value.field == "kind"
    inquiry = house.open(kind=CaseKind.INQUIRY, subject="保养价格")
    raised = house.step(inquiry, Step.CLASSIFY, Given(kind=CaseKind.GRUMBLE))
    with pytest.raises(StepNotAllowed):
        house.step(raised, Step.ANSWER, Given(words="好了"))
    assert raised.due_what is Due.ASSIGN


def test_an_exception_is_signed_by_a_manager_who_is_not_in_charge(house: CaseHouse) -> None:
    case = house.handed(by=house.manager)
    case = house.step(case, Step.WITHDRAW, Given(words="不追究了"))
    assert house.open_tasks(house.manager) == []  # who is in charge cannot sign
    assert house.open_tasks(house.other_manager) == [(TaskKind.CASE, house.other_manager.user_id)]
    with pytest.raises(StepNotAllowed):
        house.step(case, Step.CLOSE)
    with pytest.raises(StepForbidden):
        house.step(case, Step.EXCEPTION, Given(words="客户撤回"), by=house.manager)
    program = Principal(role=Role.MANAGER, via=Via.TOKEN, name="program")
    with pytest.raises(StepForbidden):
        house.step(case, Step.EXCEPTION, Given(words="客户撤回"), by=program)
    case = house.step(case, Step.EXCEPTION, Given(words="客户撤回"), by=house.other_manager)
    assert (case.exception_by_name, case.exception_reason) == ("Sun", "客户撤回")
    # Who signed does not become the one who closes it as his own.
    again = house.step(case, Step.ASSIGN, Given(department="service", handler_id=house.other_manager.user_id))
    with pytest.raises(StepNotAllowed):
        house.step(again, Step.CLOSE)
    back = house.step(again, Step.ASSIGN, Given(department="service", handler_id=house.manager.user_id))
    closed = house.step(back, Step.CLOSE)
    assert (closed.ending, closed.state) == (Ending.EXCEPTION, CaseState.CLOSED)


def test_a_signature_of_one_round_does_not_close_the_next(house: CaseHouse) -> None:
    case = house.visiting()
    case = house.step(case, Step.EXCEPTION, Given(words="多次未接通"), by=house.manager)
    case = house.step(case, Step.SECOND_VISIT, Given(reached=Reached.DISSATISFIED, words="还是有异响"))
    assert not case.may_close
    with pytest.raises(StepNotAllowed):
        house.step(case, Step.CLOSE)


def test_hand_back_goes_to_customer_relations_with_its_reason(house: CaseHouse) -> None:
    case = house.handed()
    with pytest.raises(BadCase):
        house.step(case, Step.HAND_BACK)
    case = house.step(case, Step.HAND_BACK, Given(words="属于销售承诺"))
    assert (case.state, case.department, case.due_what) == (CaseState.REGISTERED, None, Due.ASSIGN)
    assert house.open_tasks() == [(TaskKind.CASE, house.agent.user_id)]
    with pytest.raises(BadCase) as nobody:
        house.step(case, Step.ASSIGN, Given(department="garage"))
    assert nobody.value.field == "department"
    assert house.step(case, Step.ASSIGN, Given(department="sales")).department == "sales"


# -- once, and two at once ----------------------------------------------------------------------------


def test_the_same_event_opens_one_case_and_leaves_no_gap_in_the_numbers(house: CaseHouse) -> None:
    first = house.open(occasion="answer 1")
    again = house.open(occasion="answer 1", subject="又一次")
    assert (again.id, again.subject) == (first.id, "空调不制冷")
    assert house.open().number == "TS2026-000002"


async def test_many_at_once_open_one_case_for_one_event(house: CaseHouse) -> None:
    new = NewCase(
        kind=CaseKind.COMPLAINT,
        grade=Grade.ORDINARY,
        source=CaseSource.SURVEY,
        subject="不满意",
        customer_id=house.customer,
        occasion="answer 7",
    )
    now = house.clock.now()
    opened = await asyncio.gather(
        *(
            house.database.write(lambda c: cases.open_case(c, new, by=None, now=now, hours=HOURS))
            for _ in range(8)
        )
    )
    assert len({case.id for case, _new in opened}) == 1
    assert sum(fresh for _case, fresh in opened) == 1
    assert house.open().number == "TS2026-000002"


def test_r28_who_comes_second_is_told_what_the_first_did(house: CaseHouse) -> None:
    case = house.handed()
    house.step(case, Step.ACCEPT, by=house.supervisor, version=case.version)
    with pytest.raises(CaseChanged) as second:
        house.step(case, Step.HAND_BACK, Given(words="不归我们"), version=case.version)
    assert (second.value.holder, second.value.state) == ("Wang", "accepted")
    assert second.value.version == case.version + 1
    assert [one["step"] for one in second.value.theirs["events"]] == ["accept"]
    # A note or an urging leaves everybody's work as it is.
    house.step(case, Step.NOTE, Given(words="已告知服务经理"), by=house.supervisor)
    house.step(case, Step.URGE, by=house.supervisor)
    assert house.get(case).version == second.value.version
    house.step(case, Step.START, version=second.value.version)


async def test_r28_of_many_writers_at_once_one_is_first_and_the_trail_has_no_gap(house: CaseHouse) -> None:
    case = house.handed()
    steps = [(Step.ACCEPT, Given())] * 4 + [(Step.HAND_BACK, Given(words="不归我们"))] * 4
    steps += [(Step.NOTE, Given(words=f"第 {place} 条")) for place in range(4)]

    async def take(step: Step, given: Given) -> str:
        try:
            await house.database.write(
                lambda c: cases.take_step(
                    c,
                    case.id,
                    step,
                    given,
                    actor=cases.actor_of(house.agent),
                    now=house.clock.now(),
                    hours=HOURS,
                    version=case.version,
                )
            )
        except CaseChanged as error:
            return error.error_id
        return step

    done = await asyncio.gather(*(take(step, given) for step, given in steps))
    assert done.count("case-changed") == 7
    assert done.count("note") == 4
    trail = house.trail(case)
    assert len(trail) == house.get(case).events == 2 + 1 + 4


# -- deadlines ----------------------------------------------------------------------------------------


def test_deadlines_run_on_working_time_and_a_promise_counts(house: CaseHouse) -> None:
    case = house.open()  # Tuesday 10:00; first answer in 480 working minutes, solution in 2400
    assert (case.due_at, case.due_what) == (at(16, 11), Due.ASSIGN)
    assert case.answer_due_at == at(17, 10)
    assert case.solve_due_at == at(23, 10)
    promised = house.step(
        case, Step.ASSIGN, Given(department="service", promised_at=at(16, 15).astimezone(UTC))
    )
    assert promised.answer_due_at == at(16, 15)
    graver = house.step(promised, Step.CLASSIFY, Given(grade=Grade.MAJOR))
    assert graver.answer_due_at == at(16, 12)
    assert graver.solve_due_at == at(18, 10)
    with pytest.raises(BadCase) as past:
        house.step(graver, Step.CHANGE, Given(fields={"promised_at": at(16, 9).astimezone(UTC)}))
    assert past.value.field == "promised_at"


def test_reminder_supervisor_and_manager_are_told_once_each(house: CaseHouse) -> None:
    case = house.handed()  # accepted by 12:00, Tuesday
    assert case.due_at == at(16, 12)
    house.clock.set(at(16, 10, 59))
    assert house.look() == []
    house.clock.set(at(16, 11))
    assert house.look() == [("remind", "accept")]
    assert house.look() == []
    assert house.open_tasks(house.agent) == [(TaskKind.CASE, house.agent.user_id)]
    house.clock.set(at(16, 12, 1))
    assert house.look() == [("supervisor", "accept")]
    assert house.open_tasks(house.supervisor) == [(TaskKind.CASE, house.supervisor.user_id)]
    assert house.open_tasks(house.manager) == []
    house.clock.set(at(16, 17, 1))
    assert house.look() == [("manager", "accept")]
    assert house.open_tasks(house.manager)
    assert house.open_tasks(house.other_manager)
    assert [step for step, by, _ in house.trail(case) if not by] == ["remind", "escalate", "escalate"]
    accepted = house.step(case, Step.ACCEPT)
    assert accepted.version == case.version + 1  # nobody's work was out of date by a reminder
    assert house.open_tasks() == []  # what was asked for is done
    assert accepted.due_what is Due.ANSWER


def test_managers_hear_of_a_major_case_at_once(house: CaseHouse) -> None:
    case = house.open(grade=Grade.MAJOR)
    told = house.database.read_now(lambda c: cases.events_of(c, case.id))[-1]
    assert (told.step, told.data["why"]) == (Step.ESCALATE, "major")
    assert set(told.data["told"]) == {house.manager.user_id, house.other_manager.user_id}
    assert len(house.open_tasks(house.manager)) == 1
    raised = house.step(house.open(), Step.CLASSIFY, Given(grade=Grade.MAJOR))
    assert house.trail(raised)[-1][0] == "escalate"
    lowered = house.step(raised, Step.CLASSIFY, Given(grade=Grade.ORDINARY))
    assert len(house.open_tasks(house.manager)) == 1  # the first case's alone
    assert lowered.grade is Grade.ORDINARY


def test_the_day_of_an_agreed_plan_brings_the_second_visit_by_itself(house: CaseHouse) -> None:
    case = house.step(house.replied(), Step.TELL_PLAN, Given(reached=Reached.AGREED))
    house.clock.set(at(18, 18))
    house.look()
    assert house.get(case).state is CaseState.AGREED
    house.clock.set(at(19, 9))  # the morning after the plan's day
    house.look()
    asked = house.get(case)
    assert asked.state is CaseState.SECOND_VISIT
    assert house.trail(asked)[-1][0] in ("date_reached", "remind")
    assert [kind for kind, _owner in house.open_tasks()] == [TaskKind.SECOND_VISIT]
    assert asked.due_at == at(23, 18)  # Friday's morning and two working days


def test_looking_costs_what_is_due(house: CaseHouse) -> None:
    house.open()
    before = house.database.read_now(lambda c: cases.anything_due(c, house.clock.now()))
    assert not before
    house.clock.set(at(16, 11))
    assert house.database.read_now(lambda c: cases.anything_due(c, house.clock.now()))
    house.look()
    assert not house.database.read_now(lambda c: cases.anything_due(c, house.clock.now()))


# -- repeats, contact, merging ------------------------------------------------------------------------


def test_another_complaint_is_tied_to_the_one_it_repeats(house: CaseHouse) -> None:
    first = house.open()
    assert (first.repeat_of, first.suggested_grade) == (None, Grade.ORDINARY)
    second = house.open(customer_id=None)  # the same car
    assert (second.repeat_of, second.suggested_grade) == (first.id, Grade.ESCALATED)
    inquiry = house.open(kind=CaseKind.INQUIRY)
    assert inquiry.repeat_of is None
    house.clock.advance(91 * 24 * 3600)
    assert house.open().repeat_of is None
    tied = house.step(first, Step.TIE, Given(other_id=second.id, tie="duplicate"))
    assert tied.duplicate_of == second.id
    with pytest.raises(BadCase):
        house.step(first, Step.TIE, Given(other_id=first.id, tie="duplicate"))


def test_an_open_complaint_stops_contact_and_an_inquiry_does_not(house: CaseHouse) -> None:
    def stopped() -> dict[str, str]:
        return house.database.read_now(lambda c: cases.stops_contact(c, [house.customer, "nobody"]))

    house.open(kind=CaseKind.INQUIRY)
    assert stopped() == {}
    case = house.open(kind=CaseKind.GRUMBLE)
    assert stopped() == {house.customer: case.number}
    there = house.database.read_now(lambda c: cases.open_cases_of(c, [house.customer]))
    assert len(there[house.customer]) == 2
    house.step(case, Step.EXCEPTION, Given(words="重复登记"), by=house.manager)
    house.step(case, Step.CLOSE)
    assert stopped() == {}


def test_r34_a_case_goes_along_with_its_merged_customer_and_comes_back(house: CaseHouse) -> None:
    case = house.handed()
    author = Author(id=None, name="Wang")

    def merge(connection: Any) -> tuple[str, str]:
        survivor = customers.add_customer(connection, name="张伟", now=house.clock.now())
        done = merging.merge(
            connection, survivor.id, house.customer, choices={}, by=author, now=house.clock.now()
        )
        return survivor.id, done.id

    survivor, merge_id = house.database.write_now(merge)
    assert house.get(case).customer_id == survivor
    moved = house.step(case, Step.ACCEPT, version=case.version)  # nobody's work is out of date by it
    assert moved.customer_id == survivor
    assert house.database.read_now(lambda c: cases.stops_contact(c, [survivor])) == {survivor: case.number}
    late = house.open()  # a page that still knows the old record
    assert (late.customer_id, late.repeat_of) == (survivor, case.id)
    house.database.write_now(lambda c: merging.undo(c, merge_id, by=author, now=house.clock.now()))
    assert house.get(case).customer_id == house.customer
    assert house.get(case).state is CaseState.ACCEPTED
    assert house.get(late).customer_id == survivor
    house.trail(case)


def test_a_change_names_what_it_changed_and_tasks_follow(house: CaseHouse) -> None:
    case = house.visiting()
    other = house.database.write_now(lambda c: customers.add_customer(c, name="王芳", now=house.clock.now()))
    changed = house.step(
        case, Step.CHANGE, Given(fields={"customer_id": other.id, "phone": "+8613800000002"})
    )
    event = house.database.read_now(lambda c: cases.events_of(c, case.id))[-1]
    assert event.data["phone"] == ["+8613800000001", "+8613800000002"]
    assert changed.customer_id == other.id
    (task,) = house.database.read_now(lambda c: tasks.open_tasks_of(c, customer_id=other.id))
    assert (task.kind, task.number, task.state) == (
        TaskKind.SECOND_VISIT,
        "+8613800000002",
        TaskState.OPEN,
    )
    with pytest.raises(BadCase):
        house.step(changed, Step.CHANGE, Given(fields={"phone": "+8613800000002"}))
    with pytest.raises(BadCase):
        house.step(changed, Step.CHANGE, Given(fields={"state": "closed"}))


def test_another_person_in_charge_gets_the_tasks(house: CaseHouse) -> None:
    case = house.open()
    moved = house.step(case, Step.ASSIGN, Given(department="service", handler_id=house.supervisor.user_id))
    assert moved.handler_id == house.supervisor.user_id
    house.step(house.step(moved, Step.ACCEPT), Step.REPLY, REPLY)
    assert house.open_tasks() == [(TaskKind.TELL_PLAN, house.supervisor.user_id)]
    with pytest.raises(BadCase):
        house.step(case, Step.ASSIGN, Given(department="service", handler_id="nobody"))


# -- private links ------------------------------------------------------------------------------------


def test_a_link_is_good_until_the_department_or_the_round_changes(house: CaseHouse) -> None:
    def make(case: Case) -> tuple[str, str]:
        _case, _link, secret, pin = house.database.write_now(
            lambda c: case_links.make(
                c, case, actor=cases.actor_of(house.agent), now=house.clock.now(), hours=HOURS
            )
        )
        return secret, pin

    def is_good(secret: str) -> bool:
        try:
            house.database.write_now(lambda c: links.open_link(c, LinkKind.CASE, secret, house.clock.now()))
        except LinkRevoked:
            return False
        return True

    case = house.handed()
    first, pin = make(case)
    assert (is_good(first), len(pin)) == (True, 6)
    second, _ = make(case)
    assert (is_good(first), is_good(second)) == (False, True)
    house.step(case, Step.ASSIGN, Given(department="sales"))
    assert not is_good(second)
    third, _ = make(case)
    actor = Actor(by=By.LINK, name="钱师傅", link_id="LINK1")
    accepted = house.database.write_now(
        lambda c: cases.take_step(
            c, case.id, Step.ACCEPT, Given(), actor=actor, now=house.clock.now(), hours=HOURS
        )
    )
    assert is_good(third)
    last = house.database.read_now(lambda c: cases.events_of(c, case.id))[-1]
    assert (last.by, last.by_name, last.link_id) == (By.LINK, "钱师傅", "LINK1")
    for step, given in (
        (Step.REPLY, REPLY),
        (Step.TELL_PLAN, Given(reached=Reached.AGREED)),
        (Step.CARRIED_OUT, Given()),
    ):
        accepted = house.step(accepted, step, given)
    assert is_good(third)
    house.step(accepted, Step.SECOND_VISIT, Given(reached=Reached.DISSATISFIED, words="没修好"))
    assert not is_good(third)


def test_numbers_count_from_one_each_year(house: CaseHouse) -> None:
    assert house.open().number == "TS2026-000001"
    house.clock.set(datetime(2026, 12, 31, 16, 30, tzinfo=UTC))  # 00:30 of 2027 in the house
    assert house.open().number == "TS2027-000001"


# -- what the law asks --------------------------------------------------------------------------------


def test_a_person_with_an_open_complaint_is_not_erased_and_afterwards_nothing_of_him_stays(
    house: CaseHouse,
) -> None:
    case = house.handed(caller_name="张伟", words="我是张伟，电话 13800000001", wants="换车")
    house.step(case, Step.NOTE, Given(words="已回电张伟 13800000001"))

    def erased() -> Any:
        def work(connection: Any) -> Any:
            person = traces.person_of(connection, house.customer)
            found = traces.scan(connection, person)
            return erasure.erase(
                connection, house.customer, found=found, pseudonym="gone-1", now=house.clock.now()
            )

        return house.database.write_now(work)

    with pytest.raises(erasure.ErasureRefused) as refused:
        erased()
    assert case.number in str(refused.value)
    handed = house.database.read_now(lambda c: traces.handed_out(c, traces.person_of(c, house.customer)))
    assert [one["words"] for one in handed["cases"]] == ["我是张伟，电话 13800000001"]
    assert len(handed["case_events"]) == 3

    case = house.step(case, Step.EXCEPTION, Given(words="张伟撤回"), by=house.manager)
    house.step(case, Step.CLOSE)
    erased()
    after = house.get(case)
    assert (after.state, after.number, after.kind) == (CaseState.CLOSED, case.number, case.kind)
    assert (after.words, after.caller_name, after.phone) == ("—", "", None)
    events = house.database.read_now(lambda c: cases.events_of(c, case.id))
    told = f"{after} {events}"
    assert "张伟" not in told
    assert "13800000001" not in told
    replay(events)


def test_closed_cases_go_when_they_are_past_their_time_and_open_ones_stay(house: CaseHouse) -> None:
    closed = house.step(house.handed(), Step.EXCEPTION, Given(words="重复"), by=house.manager)
    house.step(closed, Step.CLOSE)
    still = house.open()
    later = house.clock.now() + timedelta(days=1)
    kind = retention.KINDS["cases"]
    assert house.database.read_now(lambda c: retention.due(c, kind, house.clock.now())) == (0, 0)
    assert house.database.read_now(lambda c: retention.due(c, kind, later)) == (1, 0)
    assert house.database.write_now(lambda c: retention.delete_some(c, kind, later, 10)) == 1
    with pytest.raises(CaseNotFound):
        house.get(closed)
    assert house.get(still).repeat_of == closed.id  # an id that leads nowhere harms nobody
    assert house.database.read_now(lambda c: cases.events_of(c, closed.id)) == []
