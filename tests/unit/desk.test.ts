// The desk's decisions and its state over a stream, by node's own test runner.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { answers, asked, say, settled, streams } from "./desk_window";
import { matching, rings, standing, throttled, type Target } from "../../web/client/desk_rules";
import { deskNow, guess, load, startDesk, type Agent, type Company, type Now, type Phase, type Pop } from "../../web/client/desk_state";
import { broken, startLive } from "../../web/client/live";
import { dial } from "../../web/client/phone/dial";

test("what rings can be answered, in a call too", () => {
  assert.equal(rings("ringing", "off"), true, "a telephone on the desk says nothing itself");
  assert.equal(rings("talking", "ringing"), true, "a call back, or a customer who is taken back from hold");
  assert.equal(rings("wrap_up", "ringing"), true);
  assert.equal(rings("talking", "talking"), false);
});

const agent = (state: string, call: string | null): Agent => ({ id: "u1", name: "W", state, since: new Date().toISOString(), reason: "", queues: {}, missed_in_row: 0, next_pause: "", call_id: call, wrapup_until: null }) as Agent;
const pop = (call: string): Pop => ({ call_id: call, kind: "known", customer_id: `c-${call}`, direction: "inbound", waiting_since: "", connected_at: null, name: call, said: "", html: {} });
const nobody: Company = { call_id: "", mine: true, together: true, people: [] };
const idle = (): Now => ({ phase: "idle", agent: agent("ready", null), call: null, pop: null, company: nobody, now: "", live: "" });
const now = (phase: Phase, one: Agent, call: string | null): Now => ({ ...idle(), phase, agent: one, pop: call ? pop(call) : null });

test("a second call takes neither the person nor the buttons", async () => {
  answers.set("/api/v1/desk/now", idle);
  startLive();
  startDesk();
  for (const [state, phase] of [["on_call", "talking"], ["wrap_up", "wrap_up"]] as const) {
    const busy = agent(state, "A");
    answers.set("/api/v1/desk/now", () => now(phase, busy, "A"));
    say("state", agent(state, "A"));
    await load();
    say("pop", pop("B"));
    assert.deepEqual([deskNow().phase, deskNow().pop?.call_id], [phase, "A"]);
    say("pop_end", { call_id: "B", why: "stopped" });
    await settled();
    assert.deepEqual([deskNow().phase, deskNow().pop?.call_id], [phase, "A"]);
  }
});

test("the end of what is shown is never lost", async () => {
  answers.set("/api/v1/desk/now", () => now("talking", agent("on_call", "A"), "A"));
  await load();
  answers.set("/api/v1/desk/now", idle);
  say("pop_end", { call_id: "A", why: "stopped" });
  await settled();
  assert.deepEqual([deskNow().phase, deskNow().pop], ["idle", null]);
});

test("a stream that falls silent, or that the service does not know, is opened anew", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    answers.set("/api/v1/desk/now", idle);
    answers.set("/api/v1/desk/here", () => ({ known: true }));
    say("open");
    const before = streams.length;
    for (let turn = 0; turn < 5; turn += 1) {
      say("ping", { page: "p" });
      await settled();
      mock.timers.tick(4000);
    }
    assert.deepEqual([streams.length, deskNow().link], [before, "on"]);
    mock.timers.tick(6001);
    assert.deepEqual([streams.length, streams.at(-2)?.readyState, deskNow().link], [before + 1, 2, "off"]);
    say("open");
    await settled();
    assert.equal(deskNow().link, "on");
    answers.set("/api/v1/desk/here", () => ({ known: false }));
    say("ping", { page: "p" });
    await settled();
    assert.equal(streams.length, before + 2);
    assert.equal(asked.filter((one) => one.path === "/api/v1/desk/here").length, 6);
  } finally { mock.timers.reset(); }
});

test("a stream that is opened anew goes on where the one before ended", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    answers.set("/api/v1/desk/now", idle);
    say("pop", pop("A"), "a-5");
    say("pop_end", { call_id: "A", why: "missed" }, "a-6");
    broken();
    assert.match(streams.at(-1)?.url ?? "", /last_event_id=a-6$/);
    say("open");
    await settled();
  } finally { mock.timers.reset(); }
});

// An answer that comes when the test says so.
function held<T>(): { promise: Promise<T>; give: (value: T) => void; fail: (error: Error) => void } {
  let give = (_value: T): void => undefined, fail = (_error: Error): void => undefined;
  const promise = new Promise<T>((resolve, reject) => { give = resolve; fail = reject; });
  return { promise, give, fail };
}

test("an answer to an order that is older than a call takes the call from nobody", async () => {
  answers.set("/api/v1/desk/now", () => now("idle", agent("paused", null), null));
  await load();
  const answer = held<Agent>();
  const done = guess({ state: "ready" }, () => answer.promise);
  answers.set("/api/v1/desk/now", () => now("talking", agent("on_call", "A"), "A"));
  say("state", agent("ready", null));
  say("state", agent("ringing", "A"));
  say("pop", pop("A"));
  say("state", agent("on_call", "A"));
  answer.give(agent("ready", null));
  await done;
  assert.deepEqual([deskNow().phase, deskNow().pop?.call_id, deskNow().agent?.state], ["talking", "A", "on_call"]);
});

test("a refusal goes back to the customer who is written up", async () => {
  answers.set("/api/v1/desk/now", () => now("wrap_up", agent("wrap_up", "A"), "A"));
  await load();
  const first = held<Agent>(), second = held<Agent>();
  const done = guess({ state: "ready", call_id: null }, () => first.promise);
  assert.equal(deskNow().phase, "idle");
  const also = guess({ state: "paused" }, () => second.promise);
  first.fail(new TypeError("away"));
  await assert.rejects(done);
  second.fail(new TypeError("away"));
  await assert.rejects(also);
  assert.deepEqual([deskNow().phase, deskNow().pop?.call_id, deskNow().guessed], ["wrap_up", "A", false]);
});

test("what was missed is not hidden by an answer that was on its way", async () => {
  const first = held<Now>();
  let turn = 0;
  answers.set("/api/v1/desk/now", () => (turn++ ? now("talking", agent("on_call", "B"), "B") : first.promise));
  const one = load();
  say("reset");
  first.give(idle());
  await one;
  await settled();
  assert.deepEqual([deskNow().phase, deskNow().pop?.call_id], ["talking", "B"]);
});

test("a state that could not be read is asked for again", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    answers.set("/api/v1/desk/now", () => now("talking", agent("on_call", "A"), "A"));
    await load();
    answers.delete("/api/v1/desk/now");
    say("pop_end", { call_id: "A", why: "stopped" });
    await settled();
    assert.equal(deskNow().phase, "talking");
    answers.set("/api/v1/desk/now", idle);
    mock.timers.tick(2000);
    await settled();
    assert.equal(deskNow().phase, "idle");
  } finally { mock.timers.reset(); }
});

test("lists are read again in a busy hour, too", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    let read = 0;
    const later = throttled(1500, () => { read += 1; }, new AbortController().signal);
    for (let turn = 0; turn < 20; turn += 1) { later(); mock.timers.tick(500); }
    assert.ok(read >= 4, String(read));
  } finally { mock.timers.reset(); }
});

test("a wish to call whose answer is lost is the same wish when it is clicked again", async () => {
  mock.timers.enable({ apis: ["Date"] });
  try {
    answers.delete("/api/v1/calls");
    const keys = (): string[] => asked.filter((one) => one.path === "/api/v1/calls").map((one) => one.key);
    const lost = dial({ number: "13800138000" });
    mock.timers.tick(8000); // the connection breaks
    assert.equal(await lost, null);
    mock.timers.tick(4000);
    answers.set("/api/v1/calls", () => ({ call_id: "A" }));
    assert.equal(await dial({ number: "13800138000" }), "A");
    mock.timers.tick(6000);
    await dial({ number: "13800138000" });
    const [first, second, third] = keys();
    assert.equal(first, second);
    assert.notEqual(second, third, "another wish");
  } finally { mock.timers.reset(); }
});

test("how one stands in a call decides the buttons", () => {
  const wang = { id: "u2", name: "王芳", ringing: false };
  const with_wang = (mine: boolean, together: boolean): Company => ({ call_id: "A", mine, together, people: [wang] });
  const cases: [Company | null, boolean, boolean, string][] = [
    [null, true, false, "alone"],
    [nobody, true, true, "consulting"], // asked for, and the service has not said so yet; or she has declined
    [with_wang(true, false), true, false, "consulting"], // after a reload, too
    [with_wang(true, true), true, true, "consulting"], // the moment between handing over and being free
    [with_wang(true, true), true, false, "together"],
    [with_wang(false, false), true, false, "asked"],
    [with_wang(false, true), true, false, "guest"],
    [with_wang(true, true), false, false, "alone"], // writing up
  ];
  for (const [company, talking, consulting, wanted] of cases) assert.equal(standing(company, { talking, consulting }), wanted);
});

test("the page hears who else is on the call, and keeps it over a look", async () => {
  const three: Company = { call_id: "A", mine: true, together: true, people: [{ id: "u2", name: "王芳", ringing: true }] };
  answers.set("/api/v1/desk/now", () => ({ ...now("talking", agent("on_call", "A"), "A"), company: three }));
  await load();
  assert.deepEqual(deskNow().company, three);
  say("company", nobody);
  assert.deepEqual(deskNow().company?.people, []);
});

test("what is typed finds people, queues and departments in the order of the service", () => {
  const target = (label: string): Target => ({ kind: "agent", name: label, label, own: false, state: "ready", ready: null, outside: false, orders: [] });
  const all = ["王芳", "Service", "王府井展厅"].map(target);
  assert.deepEqual(matching(all, " 王 ").map((one) => one.label), ["王芳", "王府井展厅"]);
  assert.deepEqual(matching(all, "SERV").map((one) => one.label), ["Service"]);
  assert.equal(matching(all, "").length, 3);
});
