// The little of a browser that the desk's modules ask for, for node: imported before them.
interface Asked { path: string; method: string; body: unknown; key: string }

export const asked: Asked[] = [];
// What the service answers, by path.
export const answers = new Map<string, () => unknown>();

class Stream extends EventTarget {
  static readonly CLOSED = 2;
  readyState = 1;
  constructor(readonly url: string) { super(); streams.push(this); }
  close(): void { this.readyState = 2; }
}

export const streams: Stream[] = [];

// The newest stream says this; `id` is its place among the events.
export function say(kind: string, data: unknown = {}, id = ""): void {
  const stream = streams.at(-1) as Stream;
  if (stream.readyState === 2) throw new Error("the stream is closed");
  stream.dispatchEvent(kind === "open" || kind === "error" ? new Event(kind) : new MessageEvent(kind, { data: JSON.stringify(data), lastEventId: id }));
}

export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

const house = { language: "en", zone: "UTC", csrf: "c", now: new Date().toISOString(), live: "a-1", user: { id: "u1", name: "W", role: "agent" }, permissions: ["live.read", "desk.self"] };
const script = { textContent: JSON.stringify(house) };
const page = Object.assign(new EventTarget(), {
  readyState: "loading",
  documentElement: {},
  getElementById: (id: string) => (id === "house" ? script : null),
  querySelector: () => null,
});
Object.assign(globalThis, {
  document: page,
  window: globalThis,
  location: { href: "http://house/desk", pathname: "/desk", search: "" },
  EventSource: Stream,
  Element: class {},
  fetch: (path: string, how: { method: string; body: string | null; headers: Record<string, string> }) => {
    asked.push({ path, method: how.method, body: how.body === null ? null : JSON.parse(how.body), key: how.headers["Idempotency-Key"] ?? "" });
    const answer = answers.get(path);
    if (!answer) return Promise.reject(new TypeError("away"));
    return Promise.resolve({ ok: true, status: 200, headers: new Headers(), json: () => Promise.resolve(answer()) });
  },
});
