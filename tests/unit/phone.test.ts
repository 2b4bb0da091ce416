// The softphone's states and its judgement of a line, by node's own test runner.
import assert from "node:assert/strict";
import { test } from "node:test";
import { next, OFF, shown, type Event, type Machine } from "../../web/client/phone/machine";
import { Watch, type Sample } from "../../web/client/phone/quality";

const ready: Event[] = [{ what: "starting" }, { what: "registering" }, { what: "registered" }];
const after = (...events: Event[]): Machine => events.reduce(next, OFF);

test("a call from ring to end", () => {
  const rings = after(...ready, { what: "rings", id: "01A" });
  assert.deepEqual([shown(rings).line, shown(rings).callId], ["ringing", "01A"]);
  const talks = [{ what: "answering" }, { what: "talks" }, { what: "muted", on: true }] as Event[];
  const talking = talks.reduce(next, rings);
  assert.deepEqual([shown(talking).line, shown(talking).muted], ["talking", true]);
  const ended = next(talking, { what: "ended" });
  assert.deepEqual([shown(ended).line, shown(ended).callId, shown(ended).muted], ["ready", null, false]);
});

test("the sound of a call outlives the line of its signals", () => {
  const lost = after(...ready, { what: "rings", id: null }, { what: "talks" }, { what: "line-lost" });
  assert.deepEqual([shown(lost).line, shown(lost).trouble], ["talking", "connection-lost"]);
  assert.deepEqual([shown(next(lost, { what: "registered" })).line, shown(next(lost, { what: "registered" })).trouble], ["talking", null]);
});

test("another page has it: nothing rings here, and only taking over changes that", () => {
  const away = after(...ready, { what: "rings", id: "01A" }, { what: "elsewhere" });
  for (const event of [{ what: "registered" }, { what: "registering" }, { what: "rings", id: "1" }, { what: "line-lost" }] as Event[]) {
    assert.equal(shown(next(away, event)).line, "elsewhere");
  }
  assert.equal(shown(next(away, { what: "starting" })).line, "connecting");
});

test("a microphone that fails as one answers ends the call and says why", () => {
  const failed = after(...ready, { what: "rings", id: "1" }, { what: "answering" }, { what: "call-failed", why: "microphone-taken" });
  assert.deepEqual([shown(failed).line, shown(failed).trouble], ["ready", "microphone-taken"]);
  assert.equal(shown(next(failed, { what: "rings", id: "2" })).trouble, null);
});

test("no order of events makes a call out of nothing, or loses what is wrong", () => {
  const events: Event[] = [
    { what: "off" }, { what: "starting" }, { what: "elsewhere" }, { what: "registering" }, { what: "registered" },
    { what: "line-lost" }, { what: "failed", why: "no-microphone" }, { what: "rings", id: "1" }, { what: "answering" },
    { what: "talks" }, { what: "call-failed", why: "no-microphone" }, { what: "ended" }, { what: "muted", on: true },
    { what: "measured", quality: "bad", silent: true },
  ];
  let seed = 7;
  const pick = (): Event => { seed = (seed * 48271) % 2147483647; return events[seed % events.length] as Event; };
  let now = OFF;
  for (let turn = 0; turn < 20_000; turn++) {
    const event = pick();
    const before = now;
    now = next(now, event);
    const line = shown(now);
    if (now.call && !before.call) assert.equal(event.what, "rings");
    if (now.standing === "elsewhere" || now.standing === "off") assert.equal(now.call, null);
    if (line.line === "failed" || line.line === "elsewhere") assert.ok(line.trouble);
    if (line.line !== "talking") assert.equal(line.muted, false);
  }
});

const sample = (second: number, more: Partial<Sample> = {}): Sample =>
  ({ at: second * 1000, received: second * 50, lost: 0, jitter: 0.005, roundTrip: 0.02, spoken: second, ...more });

test("one hiccup does not blink, a bad line is said", () => {
  const watch = new Watch();
  const words = [0, 1, 2, 3, 4, 5, 6, 7].map((second) =>
    watch.see(sample(second, second >= 4 ? { jitter: 0.2 } : {})).quality);
  assert.deepEqual(words, ["good", "good", "good", "good", "good", "bad", "bad", "bad"]);
  const once = new Watch();
  assert.ok([0, 1, 2, 3, 4].every((second) => once.see(sample(second, second === 2 ? { jitter: 0.2 } : {})).quality === "good"));
});

test("losses, delay and nothing at all", () => {
  const grade = (more: (second: number) => Partial<Sample>): string => {
    const watch = new Watch();
    let word = "";
    for (let second = 0; second < 9; second++) word = watch.see(sample(second, more(second))).quality;
    return word;
  };
  assert.equal(grade((second) => ({ lost: second * 3 })), "weak");
  assert.equal(grade((second) => ({ lost: second * 10 })), "bad");
  assert.equal(grade(() => ({ roundTrip: 0.5 })), "weak");
  assert.equal(grade(() => ({ received: 40 })), "bad");
  assert.equal(grade(() => ({ roundTrip: null })), "good");
});

test("a dead microphone is noticed after five seconds, a quiet one is not", () => {
  const dead = new Watch(), quiet = new Watch();
  const said = [0, 1, 2, 3, 4, 5, 6].map((second) => dead.see(sample(second, { spoken: 3 })).silent);
  assert.deepEqual(said, [false, false, false, false, false, true, true]);
  assert.ok([0, 1, 2, 3, 4, 5, 6].every((second) => !quiet.see(sample(second, { spoken: second * 1e-6 })).silent));
});
