// The softphone against a pretended browser and JsSIP: what happens while something is still being waited for.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Line } from "../../web/client/phone/socket";
import { Session, UA } from "./jssip_double";

class Track {
  readonly kind = "audio";
  readyState = "live";
  enabled = true;
  stop(): void { this.readyState = "ended"; }
}

class Stream {
  readonly track = new Track();
  getTracks(): Track[] { return [this.track]; }
  getAudioTracks(): Track[] { return [this.track]; }
}

// The browser's question: answered when the test says so.
let asked: ((stream: Stream) => void)[] = [];
let slowly = false;
// As the settings of the house say.
let autoAnswer = false;
const streams: Stream[] = [];
// Who waits for the page, as the service says each time it is asked; undefined: it does not answer.
let waiting: ({ call_id: string | null; held: boolean } | undefined)[] = [];
const nobody = { call_id: null, held: false };

// What the browser was told about the microphone.
let allowed = true;
let permission: () => Promise<EventTarget> = () => Promise.reject(new Error("not here"));

function open(): Promise<Stream> {
  const mine = allowed;
  const refused = new DOMException("no", "NotAllowedError");
  if (!mine && slowly) return new Promise((_resolve, reject) => asked.push(() => reject(refused)));
  if (!mine) return Promise.reject(refused);
  const stream = new Stream();
  streams.push(stream);
  if (!slowly) return Promise.resolve(stream);
  return new Promise((resolve) => asked.push(() => resolve(stream)));
}

const given = {
  isSecureContext: true,
  document: Object.assign(new EventTarget(), { getElementById: () => null }),
  window: globalThis,
  location: { href: "https://desk.example/desk", hostname: "desk.example" },
  localStorage: { getItem: () => null },
  navigator: Object.assign(new EventTarget(), {
    mediaDevices: Object.assign(new EventTarget(), { getUserMedia: open }),
    permissions: { query: () => permission() },
    locks: { request: (_name: string, _how: unknown, held: (lock: object) => Promise<void>) => held({}) },
  }),
  Audio: class { autoplay = false; srcObject: unknown = null; play(): Promise<void> { return Promise.resolve(); } },
  AudioContext: class {
    state = "running";
    currentTime = 0;
    createMediaStreamDestination(): object { return { stream: new Stream() }; }
    createGain(): object {
      const gain = { value: 0, cancelScheduledValues(): void {}, setValueAtTime(): void {}, linearRampToValueAtTime(): void {} };
      return { gain, connect(): void {} };
    }
    createOscillator(): object { return { frequency: { value: 0 }, connect(): void {}, start(): void {}, stop(): void {} }; }
  },
  fetch: (path: string): Promise<Response> =>
    path.endsWith("/back") && waiting.length && !waiting[0] ? (waiting.shift(), Promise.reject(new TypeError("away")))
      : Promise.resolve(Response.json(path.endsWith("/back") ? (waiting.shift() ?? nobody)
      : { url: "/phone/ws", direct_url: "", user: "pli", secret: "s", fresh: false, ice: [], auto_answer: autoAnswer })),
};
for (const [name, value] of Object.entries(given)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

async function registered(): Promise<{ phone: InstanceType<typeof import("../../web/client/phone/softphone").Softphone>; ua: UA }> {
  const { Softphone } = await import("../../web/client/phone/softphone");
  slowly = false;
  asked = [];
  UA.started.length = streams.length = 0;
  const phone = new Softphone();
  phone.begin();
  await settled();
  const ua = UA.started[0] as UA;
  ua.emit("registered");
  return { phone, ua };
}

function rung(ua: UA, headers: Record<string, string> = { "X-Careline-Call": "01A" }): Session {
  const session = new Session();
  ua.emit("newRTCSession", { originator: "remote", session, request: { getHeader: (name: string) => headers[name] } });
  return session;
}

test("a customer whom a campaign called is answered without a click", async () => {
  const { phone, ua } = await registered();
  const session = rung(ua, { "X-Careline-Call": "01A", "X-Careline-Answer": "now" });
  await settled();
  asked[0]?.(new Stream());
  await settled();
  assert.notEqual(session.answered, undefined);
  session.end();
  phone.end();
});

test("a caller who hangs up while the browser asks leaves no microphone open", async () => {
  const { phone, ua } = await registered();
  const session = rung(ua);
  slowly = true;
  const answering = phone.answer();
  session.end();
  asked[0]?.(new Stream());
  await answering;
  assert.equal(session.answered, undefined);
  assert.deepEqual(streams.map((one) => one.track.readyState), ["ended", "ended"]);
  assert.equal(phone.state.line, "ready");
  phone.end();
});

test("the answer to the question of a call that is over does not touch the next call", async () => {
  const { phone, ua } = await registered();
  const first = rung(ua);
  slowly = true;
  const late = phone.answer();
  first.end();
  const second = rung(ua);
  const answering = phone.answer();
  asked[1]?.(new Stream());
  await answering;
  asked[0]?.(new Stream());
  await late;
  assert.equal(first.answered, undefined);
  assert.deepEqual([streams[1]?.track.readyState, streams[2]?.track.readyState], ["ended", "live"]);
  second.end();
  assert.equal(streams[2]?.track.readyState, "ended");
  phone.end();
});

test("begun twice while the browser asks, the page has one telephone", async () => {
  const { Softphone } = await import("../../web/client/phone/softphone");
  UA.started.length = streams.length = 0;
  asked = [];
  slowly = true;
  const phone = new Softphone();
  phone.begin();
  await settled();
  // Another browser of the person had it for a moment, and it was taken back.
  const inside = phone as unknown as { start(): Promise<void>; letGo(): void };
  inside.letGo();
  void inside.start();
  await settled();
  assert.equal(asked.length, 2);
  for (const tell of asked) tell(new Stream());
  await settled();
  assert.equal(UA.started.length, 1);
  assert.ok(streams.every((one) => one.track.readyState === "ended"));
  phone.end();
  assert.ok(UA.started.every((one) => one.stopped));
});

test("a page without the line can do nothing", async () => {
  const { phone, ua } = await registered();
  assert.deepEqual([phone.can("answer"), phone.can("mute"), phone.can("keys")], [true, false, false]);
  rung(ua);
  await phone.answer();
  assert.deepEqual([phone.can("answer"), phone.can("mute"), phone.can("keys")], [true, true, true]);
  (phone as unknown as { letGo(): void }).letGo();
  assert.deepEqual([phone.can("answer"), phone.can("mute"), phone.can("keys")], [false, false, false]);
  phone.end();
});

test("a microphone that is allowed while it is being refused is taken", async () => {
  const { Softphone } = await import("../../web/client/phone/softphone");
  const status = new EventTarget();
  let tell = (): void => undefined;
  permission = () => new Promise((resolve) => { tell = () => resolve(status); });
  try {
    for (const early of [true, false]) {
      allowed = false;
      slowly = !early;
      asked = [];
      UA.started.length = 0;
      const phone = new Softphone();
      phone.begin();
      await settled();
      // Before the page knows how to hear of it, or while the browser says no.
      if (!early) { tell(); await settled(); }
      allowed = true;
      slowly = false;
      status.dispatchEvent(new Event("change"));
      for (const refuse of asked) refuse(new Stream());
      tell();
      await settled();
      assert.equal(UA.started.length, 1, String(early));
      phone.end();
    }
  } finally {
    permission = () => Promise.reject(new Error("not here"));
    allowed = true;
  }
});

test("who waits for the page is asked for until the service answers", async () => {
  waiting = [undefined, { call_id: "01A", held: false }];
  const { phone, ua } = await registered();
  for (let turn = 0; waiting.length && turn < 500; turn++) await settled();
  await settled();
  const session = rung(ua);
  await settled();
  assert.ok(session.answered, "the customer comes back by himself");
  phone.end();
});

test("another microphone in a call takes the place of the one before, muted where she was muted", async () => {
  const { phone, ua } = await registered();
  const session = rung(ua);
  await phone.answer();
  assert.equal(phone.state.line, "talking");
  const first = streams.at(-1) as Stream;
  await phone.mute(true);
  document.dispatchEvent(new CustomEvent("careline:device", { detail: "microphone" }));
  await settled();
  const second = streams.at(-1) as Stream;
  assert.notEqual(second, first);
  assert.equal(session.senders[0]?.track as unknown, second.track, "the same sender goes on, so there is no new offer");
  assert.deepEqual([first.track.readyState, second.track.readyState, second.track.enabled], ["ended", "live", false]);
  document.dispatchEvent(new CustomEvent("careline:device", { detail: "ringer" }));
  await settled();
  assert.equal(session.senders[0]?.track as unknown, second.track, "a loudspeaker is no microphone");
  phone.end();
  assert.equal(second.track.readyState, "ended");
});

test("a page that answers by itself, as the house wishes, needs no click", async () => {
  autoAnswer = true;
  try {
    const { phone, ua } = await registered();
    const session = rung(ua);
    await settled();
    assert.deepEqual([session.answered !== undefined, phone.state.line], [true, "talking"]);
    phone.end();
  } finally { autoAnswer = false; }
});

test("answered before it is on the line, the call is taken when it comes, and no other one", async () => {
  const { phone, ua } = await registered();
  await phone.answer("01B");
  const other = rung(ua);
  await settled();
  assert.equal(other.answered, undefined);
  other.end();
  await phone.answer("01A");
  const session = rung(ua);
  await settled();
  assert.ok(session.answered);
  session.end();
  const again = rung(ua);
  await settled();
  assert.equal(again.answered, undefined, "the wish was for one ring");
  again.end();
  await phone.answer("01A");
  await phone.hangUp();
  const refused = rung(ua);
  await settled();
  assert.equal(refused.answered, undefined, "she refused it before it came");
  phone.end();
});

class Wire {
  static made: Wire[] = [];
  static readonly OPEN = 1;
  readyState = 0;
  onopen: () => void = () => undefined;
  onclose: (event: object) => void = () => undefined;
  constructor(readonly url: string) {
    if (!URL.canParse(url)) throw new SyntaxError(url);
    Wire.made.push(this);
  }
  opens(): void { this.readyState = 1; this.onopen(); }
  close(): void { this.readyState = 3; this.onclose({ wasClean: true, code: 1006, reason: "" }); }
}

test("a line past the gate is kept until the gate answers again", async (context) => {
  Object.defineProperty(globalThis, "WebSocket", { value: Wire, configurable: true });
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const tick = async (): Promise<void> => { context.mock.timers.tick(60_000); await Promise.resolve(); await Promise.resolve(); };
  let there = false, talks = false, lost = 0;
  const line = new Line("wss://desk/phone/ws", "ws://127.0.0.1:8088/ws", () => talks, () => undefined, () => Promise.resolve(there));
  line.ondisconnect = () => lost++;
  line.connect();
  Wire.made[0]?.close();
  const direct = Wire.made[1] as Wire;
  assert.equal(direct.url, "ws://127.0.0.1:8088/ws");
  direct.opens();
  for (let minute = 0; minute < 5; minute++) await tick();
  assert.deepEqual([line.isConnected(), lost], [true, 0]);
  there = talks = true;
  await tick();
  assert.deepEqual([line.isConnected(), lost], [true, 0]);
  talks = false;
  await tick();
  assert.deepEqual([line.isConnected(), lost], [false, 1]);
});

test("a second address that is none is tried again, not fatal", async (context) => {
  Wire.made = [];
  Object.defineProperty(globalThis, "WebSocket", { value: Wire, configurable: true });
  context.mock.timers.enable({ apis: ["setTimeout"] });
  let lost = 0;
  const line = new Line("wss://desk/phone/ws", "ws://::1:8088/ws", () => false, () => undefined, () => Promise.resolve(false));
  line.ondisconnect = () => lost++;
  line.connect();
  Wire.made[0]?.close();
  context.mock.timers.tick(1);
  assert.deepEqual([lost, line.isConnected(), line.isConnecting()], [1, false, false]);
  line.connect();
  assert.equal(Wire.made.length, 2);
});
