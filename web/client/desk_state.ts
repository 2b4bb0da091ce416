// The state of this person's desk: agent, call, pop. One for the whole page, whatever page of the service is shown;
// the call bar and the desk page draw it. What the service says always wins over what the page guessed.
import { ask, Refusal } from "./ask";
import { foreign } from "./desk_rules";
import { house } from "./house";
import { broken, listen, type Link } from "./live";

export type Phase = "idle" | "ringing" | "talking" | "wrap_up";

export interface Agent {
  id: string; name: string; state: "signed_out" | "ready" | "ringing" | "on_call" | "wrap_up" | "paused" | "reserved";
  since: string; reason: string; queues: Record<string, number>; missed_in_row: number; next_pause: string;
  call_id: string | null; wrapup_until: string | null;
}
export interface Call {
  id: string; state: string; direction: string; connected_at: string | null; held_since: string | null;
  queue: string | null; agent_id: string | null; customer_id: string | null; started_at: string; ended_at: string | null;
  gone?: boolean;
}
export interface Pop {
  call_id: string; kind: "known" | "several" | "unknown" | "hidden" | "unreadable"; customer_id: string | null;
  direction: string; waiting_since: string; connected_at: string | null; name: string; said: string;
  html: Record<string, string>; stale?: boolean;
}
// Colleagues on the same call: `mine` false where one of them asks or has invited this person, `together` false while
// the customer waits for them.
export interface Company { call_id: string; mine: boolean; together: boolean; people: { id: string; name: string; ringing: boolean }[] }
export interface Now { phase: Phase; agent: Agent | null; call: Call | null; pop: Pop | null; company: Company; now: string; live: string }

export interface Desk {
  phase: Phase;
  agent: Agent | null;
  call: Call | null;
  pop: Pop | null;
  company: Company | null;
  // The stream is there. What is shown may be old where it is not.
  link: Link;
  // Whether the state of the agent is a guess that the service has not confirmed yet.
  guessed: boolean;
}

const desk: Desk = { phase: "idle", agent: null, call: null, pop: null, company: null, link: "connecting", guessed: false };
const watchers = new Set<(desk: Readonly<Desk>, why: string) => void>();
// What the service said last while the page shows a guess, and whom it was about: a refusal goes back to that.
let before: { agent: Agent; pop: Pop | null; call: Call | null } | null = null;
let guesses = 0;

export function deskNow(): Readonly<Desk> {
  return desk;
}

// Told at once, and then at every change with its reason: now, pop, pop_end, state, call, company, link, guess.
export function onDesk(tell: (desk: Readonly<Desk>, why: string) => void, signal: AbortSignal): void {
  watchers.add(tell);
  signal.addEventListener("abort", () => watchers.delete(tell));
  tell(desk, "now");
}

function told(why: string): void {
  for (const tell of [...watchers]) tell(desk, why);
}

function settle(): void {
  const agent = desk.agent;
  const mine = desk.pop && agent?.call_id === desk.pop.call_id;
  if (agent?.state === "on_call") desk.phase = "talking";
  else if (agent?.state === "wrap_up") desk.phase = "wrap_up";
  else if (desk.pop && (desk.phase === "ringing" || agent?.state === "ringing" || (mine && desk.phase === "idle"))) desk.phase = "ringing";
  else desk.phase = "idle";
  if (desk.phase === "idle") { desk.pop = null; desk.call = null; }
  if (desk.call && desk.pop && desk.call.id !== desk.pop.call_id) desk.call = null;
}

// How many events of this desk came: an answer that was read before one of them is old news.
let heard = 0;
// The same for the agent alone, with the times he was loaded.
let stated = 0;
let known = false;

// What the page was made with; where this script has been following the desk already, the service is asked.
export function takePage(now: Now | null): void {
  if (now && !known) takeNow(now);
  else void load();
}

function takeNow(now: Now): void {
  known = true;
  stated += 1;
  before = null;
  desk.guessed = false;
  Object.assign(desk, { phase: now.phase, agent: now.agent, call: now.call, pop: now.pop, company: now.company });
  told("now");
}

// Where the service does not answer, though its stream is there, it is asked again after this.
const AGAIN = 2000;
let loading: Promise<void> | undefined;
let later: ReturnType<typeof setTimeout> | undefined;

// The whole present state, from the service. Never two at once.
export function load(): Promise<void> {
  const at = heard;
  clearTimeout(later);
  loading ??= ask<Now>("/api/v1/desk/now").then(
    (now) => { loading = undefined; return heard === at ? takeNow(now) : load(); },
    (error: unknown) => {
      loading = undefined;
      // A stream that comes back loads by itself; a refusal stays one.
      if (desk.link === "on" && !(error instanceof Refusal && error.status < 500 && error.status !== 429)) later = setTimeout(() => void load(), AGAIN);
    },
  );
  return loading;
}

// Show at once what is going to be; the service's answer confirms it, a refusal takes it back.
export async function guess(change: Partial<Agent>, act: () => Promise<Agent | void>): Promise<void> {
  const at = stated;
  guesses += 1;
  if (desk.agent) {
    before ??= { agent: desk.agent, pop: desk.pop, call: desk.call };
    desk.agent = { ...desk.agent, ...change };
    desk.guessed = true;
    settle();
    told("guess");
  }
  try {
    const agent = await act();
    // What the service told meanwhile is this news or newer: a call may have come before the answer did.
    if (agent && stated === at) {
      desk.agent = agent;
      if (before) before.agent = agent;
    }
  } catch (error) {
    if (before) {
      desk.agent = before.agent;
      if (!desk.pop && before.pop && before.pop.call_id === before.agent.call_id) { desk.pop = before.pop; desk.call = before.call; }
    }
    throw error;
  } finally {
    guesses -= 1;
    if (!guesses) { before = null; desk.guessed = false; }
    settle();
    told("state");
  }
}

// A pop that an answer brought (who was chosen, a new record).
export function takePop(pop: Pop): void {
  if (desk.pop && desk.pop.call_id !== pop.call_id) return;
  desk.pop = pop;
  settle();
  told("pop");
}

let started = false;

export function startDesk(): void {
  if (started) return;
  started = true;
  const always = new AbortController().signal;
  listen<Pop>("pop", (pop) => {
    if (pop.stale) { void load(); return; }
    heard += 1;
    if (foreign(desk.agent, pop.call_id)) return;
    const again = desk.pop?.call_id === pop.call_id;
    const own = desk.agent?.call_id === pop.call_id && (desk.agent.state === "on_call" || desk.agent.state === "wrap_up");
    desk.pop = pop;
    if (!again && !own) { desk.call = null; desk.phase = "ringing"; }
    settle();
    told("pop");
  }, always);
  listen<{ call_id: string; why: string }>("pop_end", (end) => {
    heard += 1;
    if (desk.pop?.call_id !== end.call_id) return;
    if (desk.phase !== "ringing") { void load(); return; }
    desk.pop = null;
    desk.phase = "idle";
    settle();
    told("pop_end:" + end.why);
  }, always);
  listen<Agent>("state", (agent) => {
    heard += 1;
    stated += 1;
    if (before) before.agent = agent;
    desk.agent = agent;
    settle();
    told("state");
    if ((desk.phase === "talking" || desk.phase === "wrap_up") && agent.call_id && desk.pop?.call_id !== agent.call_id) void load();
  }, always);
  listen<Call>("call", (call) => {
    if (call.gone || call.id !== desk.pop?.call_id) return;
    desk.call = call;
    told("call");
  }, always);
  listen<Company>("company", (company) => {
    heard += 1;
    desk.company = company;
    told("company");
  }, always);
  listen<Link>("link", (link) => {
    const back = link === "on" && desk.link !== "on";
    desk.link = link;
    told("link");
    if (back) void load();
  }, always);
  // What was asked before is as old as what was missed.
  listen("reset", () => { heard += 1; void load(); }, always);
  // The service asks whether somebody is there; a page that does not answer is gone for the supervisor.
  listen<{ page: string }>("ping", ({ page }) => {
    if (!house()) return;
    void ask<{ known: boolean }>("/api/v1/desk/here", { body: { page } })
      .then((here) => { if (!here.known) broken(); }, () => undefined);
  }, always);
}
