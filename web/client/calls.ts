// The live list of calls: rows follow the stream, timers run on the page, every text comes from the server.
import { ask } from "./ask";
import { island, pageOf } from "./islands";
import { hotkey } from "./keys";
import { listen } from "./live";
import { maybe, t } from "./texts";
import { readable, since, span, when } from "./times";

interface Call {
  id: string;
  gone?: boolean;
  direction: string;
  state: string;
  outcome: string | null;
  started_at: string;
  queued_at: string | null;
  connected_at: string | null;
  number: string | null;
  called: string;
  agent_id: string | null;
  queue: string | null;
  agent_name: string | null;
  wait_seconds: number;
  talk_seconds: number;
  explained: string | null;
  keys: string;
  rating: number | null;
  recorded: boolean;
  refused_by: string | null;
}

interface Fact { at: string; kind: string; data: Record<string, unknown> }
interface Queue { name: string; waiting: number; ready: number; longest_wait: number }
interface CallsPage {
  query: Record<"scope" | "direction" | "received" | "talked" | "agent_id" | "since" | "until" | "search", string>;
  queues: Record<string, string>;
  calls: Call[];
}

function waited(call: Call): number | null {
  if (call.queued_at && !call.connected_at && (call.state === "queued" || call.state === "ringing")) return since(call.queued_at);
  return call.queued_at || call.wait_seconds ? call.wait_seconds : null;
}

function talked(call: Call): number | null {
  if (call.connected_at && call.state !== "ended") return since(call.connected_at);
  return call.connected_at || call.talk_seconds ? call.talk_seconds : null;
}

function cell(name: string, text?: string | null): HTMLTableCellElement {
  const made = document.createElement("td");
  made.className = name;
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}

island("calls", (root, signal) => {
  const page = pageOf<CallsPage>(root);
  const part = <T extends HTMLElement>(id: string): T => root.querySelector<T>("#" + id)!;
  const rows = part<HTMLTableSectionElement>("rows");
  const empty = part("empty");
  const more = part<HTMLButtonElement>("more");
  const count = part("count");
  const search = part<HTMLInputElement>("search");
  const detail = part<HTMLDialogElement>("detail");
  const calls = new Map(page.calls.map((call) => [call.id, call]));

  const state = (call: Call): string => (call.outcome ? t(`outcome.${call.outcome}`) : t(`state.${call.state}`));
  const queue = (name: string | null): string => (name ? (page.queues[name] ?? name) : "");
  const rowOf = (id: string): HTMLElement | null => rows.querySelector(`tr[data-id="${CSS.escape(id)}"]`);

  function draw(call: Call): HTMLTableRowElement {
    const row = document.createElement("tr");
    row.dataset["id"] = call.id;
    row.tabIndex = -1;
    const first = cell("c-time");
    first.append(when(call.started_at, true));
    const number = cell("c-number");
    const shown = document.createElement("span");
    shown.className = call.number ? "phone" : "quiet";
    shown.textContent = readable(call.number) ?? t("calls.hidden");
    number.append(shown);
    const stated = cell("c-state");
    const mark = document.createElement("span");
    mark.className = "state";
    mark.dataset["state"] = call.outcome ?? call.state;
    mark.textContent = state(call);
    stated.append(mark);
    const wait = waited(call);
    const talk = talked(call);
    row.append(
      first, cell("c-way", t(`direction.${call.direction}`)), number, stated, cell("c-queue", queue(call.queue)),
      cell("c-agent", call.agent_name), cell("c-wait number", wait === null ? "" : span(wait)),
      cell("c-talk number", talk === null ? "" : span(talk)),
    );
    return row;
  }

  function fits(call: Call): boolean {
    if (call.gone) return false;
    if (page.query.scope === "open" && call.state === "ended") return false;
    if (page.query.direction && call.direction !== page.query.direction) return false;
    if (page.query.received && call.direction === "outbound") return false;
    if (page.query.talked && !call.connected_at) return false;
    if (page.query.agent_id && call.agent_id !== page.query.agent_id) return false;
    if (page.query.since && Date.parse(call.started_at) < Date.parse(page.query.since)) return false;
    if (page.query.until && Date.parse(call.started_at) >= Date.parse(page.query.until)) return false;
    // What a masked number matches, only the server knows: a searched list is refreshed, not extended.
    return !page.query.search || calls.has(call.id);
  }

  function put(call: Call): void {
    const old = rowOf(call.id);
    if (!fits(call)) {
      if (old?.contains(document.activeElement)) {
        ((old.nextElementSibling ?? old.previousElementSibling ?? search) as HTMLElement).focus();
      }
      old?.remove();
      calls.delete(call.id);
      return;
    }
    calls.set(call.id, call);
    const row = draw(call);
    if (old) {
      const focused = document.activeElement === old;
      old.replaceWith(row);
      if (focused) row.focus({ preventScroll: true });
      return;
    }
    row.classList.add("fresh");
    let before = rows.firstElementChild as HTMLElement | null;
    while (before && (calls.get(before.dataset["id"] ?? "")?.started_at ?? "") > call.started_at) {
      before = before.nextElementSibling as HTMLElement | null;
    }
    rows.insertBefore(row, before);
  }

  function sum(): void {
    empty.hidden = rows.childElementCount > 0;
    let open = 0;
    for (const call of calls.values()) if (call.state !== "ended") open += 1;
    count.textContent = t("calls.count", { count: open });
  }

  function tick(): void {
    for (const call of calls.values()) {
      if (call.state === "ended") continue;
      const row = rowOf(call.id);
      const wait = waited(call);
      const talk = talked(call);
      if (row && wait !== null) row.querySelector(".c-wait")!.textContent = span(wait);
      if (row && talk !== null) row.querySelector(".c-talk")!.textContent = span(talk);
    }
  }

  // What the stream told since the list was asked for: an answer that took its time may be older.
  const meanwhile = new Set<Call[]>();
  async function load(cursor: string): Promise<void> {
    const heard: Call[] = [];
    meanwhile.add(heard);
    const wanted = new URLSearchParams();
    for (const [name, value] of Object.entries(page.query)) if (value) wanted.set(name, value);
    if (cursor) wanted.set("cursor", cursor);
    const found = await ask<{ items: Call[]; next: string | null }>(`/api/v1/calls?${wanted}`, { signal }).finally(() => meanwhile.delete(heard));
    if (!cursor) {
      calls.clear();
      rows.replaceChildren();
    }
    for (const call of found.items) {
      calls.set(call.id, call);
      const old = rowOf(call.id);
      if (old) old.replaceWith(draw(call));
      else rows.append(draw(call));
    }
    for (const call of heard) put(call);
    more.dataset["cursor"] = found.next ?? "";
    more.hidden = !found.next;
    sum();
  }

  let retry = 0;
  function reload(): void {
    clearTimeout(retry);
    load("").catch(() => { if (!signal.aborted) retry = window.setTimeout(reload, 3000); });
    queues();
  }

  let asked = 0;
  function queues(): void {
    if (asked) return;
    asked = window.setTimeout(async () => {
      asked = 0;
      try {
        const found = await ask<{ items: Queue[] }>("/api/v1/queues", { signal });
        for (const one of found.items) {
          const item = root.querySelector(`#queues [data-queue="${CSS.escape(one.name)}"]`);
          const waiting = item?.querySelector<HTMLElement>(".waiting");
          const ready = item?.querySelector<HTMLElement>(".ready");
          if (!waiting || !ready) continue;
          waiting.textContent = t("queues.waiting", { count: one.waiting });
          waiting.classList.toggle("some", one.waiting > 0);
          waiting.title = one.waiting ? t("queues.longest", { time: span(one.longest_wait) }) : "";
          ready.textContent = t("queues.ready", { count: one.ready });
        }
      } catch { /* the link line already says what is wrong; the next event asks again */ }
    }, 1000);
  }

  let opened = 0;
  async function openCall(id: string): Promise<void> {
    const mine = ++opened;
    const list = detail.querySelector("dl")!;
    const facts = detail.querySelector("ol")!;
    list.replaceChildren();
    facts.replaceChildren();
    if (!detail.open) detail.showModal();
    let found: { call: Call; facts: Fact[] };
    try {
      found = await ask(`/api/v1/calls/${encodeURIComponent(id)}`, { signal });
    } catch {
      if (mine !== opened) return;
      const line = document.createElement("li");
      line.textContent = t("calls.failed");
      facts.append(line);
      return;
    }
    if (mine !== opened) return; // another one is looked at by now
    const call = found.call;
    const add = (key: string, text: string | null | undefined): void => {
      if (!text) return;
      const name = document.createElement("dt");
      const value = document.createElement("dd");
      name.textContent = t(key);
      value.textContent = text;
      list.append(name, value);
    };
    add("column.number", readable(call.number) ?? t("calls.hidden"));
    add("column.called", call.called);
    add("column.state", state(call));
    add("column.queue", queue(call.queue));
    add("column.agent", call.agent_name);
    add("detail.explained", call.explained ? maybe(`explained.${call.explained}`) : "");
    add("detail.keys", call.keys);
    add("column.wait", call.queued_at ? span(waited(call) ?? 0) : "");
    add("column.talk", call.connected_at ? span(talked(call) ?? 0) : "");
    add("detail.rating", call.rating ? t("detail.rating.of", { rating: call.rating }) : "");
    const unwilling = found.facts.some((fact) => fact.kind === "notice_given" && fact.data["refused"] === true);
    add("detail.recording", unwilling ? t("detail.recording.refused") : call.recorded ? t("detail.recording.yes") : "");
    add("detail.refused_by", call.refused_by ? (maybe(`refused.${call.refused_by}`) ?? call.refused_by) : "");
    add("detail.id", call.id);
    detail.querySelector("h3")!.hidden = !found.facts.length;
    for (const fact of found.facts) {
      const line = document.createElement("li");
      const what = document.createElement("span");
      what.textContent = maybe(`fact.${fact.kind}`) ?? fact.kind;
      line.append(when(fact.at, true), what);
      facts.append(line);
    }
  }

  function move(step: number): void {
    const here = rows.contains(document.activeElement) ? document.activeElement : null;
    const next = here ? (step > 0 ? here.nextElementSibling : here.previousElementSibling) : rows.firstElementChild;
    if (next instanceof HTMLElement) next.focus();
  }

  listen<Call>("call", (call) => { for (const heard of meanwhile) heard.push(call); put(call); sum(); queues(); }, signal);
  listen("agent", queues, signal);
  listen("reset", reload, signal);
  hotkey("/", "keys.search", (event) => { event.preventDefault(); search.focus(); search.select(); }, signal);
  for (const key of ["j", "ArrowDown"]) hotkey(key, "keys.move", (event) => { event.preventDefault(); move(1); }, signal, { listed: key === "j" });
  for (const key of ["k", "ArrowUp"]) hotkey(key, "keys.move", (event) => { event.preventDefault(); move(-1); }, signal, { listed: key === "k" });
  hotkey("Enter", "keys.open", (event) => {
    const row = (event.target as Element).closest<HTMLElement>("#rows tr");
    if (!row) return;
    event.preventDefault();
    void openCall(row.dataset["id"] ?? "");
  }, signal);
  rows.addEventListener("click", (event) => {
    const row = (event.target as Element).closest<HTMLElement>("tr");
    if (row && !String(getSelection())) void openCall(row.dataset["id"] ?? "");
  });
  more.addEventListener("click", () => { load(more.dataset["cursor"] ?? "").catch(() => undefined); });

  rows.replaceChildren(...page.calls.map(draw));
  sum();
  const timer = setInterval(tick, 1000);
  signal.addEventListener("abort", () => { clearInterval(timer); clearTimeout(retry); clearTimeout(asked); });
});
