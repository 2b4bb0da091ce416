// The one stream of live events of this page. It outlives visits from page to page; islands listen by kind.
import { ask } from "./ask";
import { house } from "./house";

export type Link = "connecting" | "on" | "off" | "ended";
type Listener = (data: unknown) => void;

const listeners = new Map<string, Set<Listener>>();
let source: EventSource | undefined;
let link: Link = "connecting";

// Events of the last moments: a page that was made before one came must still hear it.
const KEPT = 500;
// Kinds the service sends; a kind that no list names would be heard only by those who came before it.
const KINDS = ["call", "agent", "reset", "pop", "pop_end", "state", "company", "progress", "bulletin", "case"];
const recent: { id: string; kind: string; data: unknown }[] = [];
// The newest of them: another stream goes on from there, so that nothing happens on the page a second time.
let newest = "";

function numberOf(id: string): [string, number] {
  const [start = "", number = ""] = id.split("-");
  return [start, Number(number)];
}

// `kind` is an event's name; "reset" asks to load afresh, "link" tells the state of the line itself.
export function listen<T>(kind: string, listener: (data: T) => void, signal: AbortSignal): void {
  let of = listeners.get(kind);
  if (!of) {
    of = new Set();
    listeners.set(kind, of);
    if (source && kind !== "link" && !KINDS.includes(kind)) attend(source, kind);
  }
  const kept = of;
  kept.add(listener as Listener);
  signal.addEventListener("abort", () => kept.delete(listener as Listener));
  const [start, place] = numberOf(house()?.live ?? "");
  const missed = recent.filter((event) => {
    const [of, number] = numberOf(event.id);
    return event.kind === kind && of === start && number > place;
  });
  if (missed.length) queueMicrotask(() => { for (const event of missed) if (!signal.aborted) listener(event.data as T); });
}

export function linkState(): Link {
  return link;
}

function tell(kind: string, data: unknown): void {
  for (const listener of [...(listeners.get(kind) ?? [])]) listener(data);
}

function say(state: Link): void {
  link = state;
  tell("link", state);
}

function attend(stream: EventSource, kind: string): void {
  stream.addEventListener(kind, (event) => {
    const message = event as MessageEvent<string>;
    const data: unknown = JSON.parse(message.data);
    if (message.lastEventId) {
      newest = message.lastEventId;
      recent.push({ id: message.lastEventId, kind, data });
      if (recent.length > KEPT) recent.shift();
    }
    tell(kind, data);
  });
}

// A page of the desk is asked every four seconds whether it is there. Longer than this without a word, and the stream
// is dead, whatever the browser believes of it: another one is opened.
const SILENT_FOR = 10_000;
let watch = 0;
let asked = false;

function alive(): void {
  clearTimeout(watch);
  if (asked && source) watch = window.setTimeout(broken, SILENT_FOR);
}

// The stream leads nowhere (any more): a new one, and everything afresh.
export function broken(): void {
  if (link === "ended" || !source) return;
  stopLive();
  say("off");
  again();
}

export function startLive(): void {
  const known = house();
  if (source || !known || !known.permissions.includes("live.read")) return;
  const stream = new EventSource("/api/v1/live?last_event_id=" + encodeURIComponent(newest || known.live));
  source = stream;
  alive();
  stream.addEventListener("open", () => { say("on"); alive(); });
  stream.addEventListener("ping", () => { asked = true; alive(); });
  stream.addEventListener("error", () => {
    say("off");
    // A refused stream is not tried again by the browser: ask why, and sign in again where that is the reason.
    if (stream.readyState === EventSource.CLOSED) {
      stopLive();
      ask("/api/v1/me").then(() => setTimeout(again, 3000)).catch(() => setTimeout(again, 3000));
    }
  });
  for (const kind of new Set([...KINDS, ...listeners.keys()])) if (kind !== "link") attend(stream, kind);
}

function again(): void {
  if (link === "ended" || source) return;
  startLive();
  tell("reset", {});
}

export function stopLive(): void {
  clearTimeout(watch);
  source?.close();
  source = undefined;
}

document.addEventListener("careline:signed-out", () => {
  stopLive();
  say("ended");
  location.assign("/login?next=" + encodeURIComponent(location.pathname + location.search));
});
document.addEventListener("turbo:load", () => {
  if (house()) startLive();
  else stopLive();
});
