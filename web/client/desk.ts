// The desk page: the person on the line in places that are there already; between calls, what today wants.
import { ask, Refusal } from "./ask";
import { complain, setState } from "./desk_callbar";
import { drawNumbers, type Numbers } from "./desk_numbers";
import { throttled } from "./desk_rules";
import { deskNow, load, onDesk, startDesk, takePage, takePop, type Desk, type Now, type Pop } from "./desk_state";
import { house } from "./house";
import { island, pageOf } from "./islands";
import { hotkey } from "./keys";
import { listen } from "./live";
import { notice } from "./notices";
import { keyOf, unanswered } from "./phone/dial";
import { softphone } from "./phone/start";
import { maybe, t } from "./texts";
import { now as clock, readable, since, span, until, when } from "./times";

interface Task { id: string; kind: string; due_at: string | null; subject: string; number: string | null; owner_id: string | null; call_id: string | null; customer_id: string | null; customer_name: string | null; about: string | null }
interface Queue { name: string; label: Record<string, string>; waiting: number; longest_wait: number; ready: number }

const PERSON = ["who", "why", "vehicles", "open", "contacts", "choice"];
// Pages of what a task may be a step of.
const PLACES: Record<string, string> = { contact: "/contacts", case: "/cases", appointment: "/appointments" };
const WAITING = new Set(["missed_call", "callback", "voicemail"]);

function element<K extends keyof HTMLElementTagNameMap>(name: K, text = "", kind = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

island("desk", (root, signal) => {
  startDesk();
  const place = (name: string): HTMLElement => root.querySelector<HTMLElement>(`[data-place="${name}"]`) as HTMLElement;
  const panel = (name: string): HTMLElement => root.querySelector<HTMLElement>(`[data-panel="${name}"]`) as HTMLElement;
  const right = document.getElementById("desk-right");
  let shown = "";
  let asOf = "";

  // --- the person

  function fill(pop: Pop): void {
    const same = shown === pop.call_id;
    for (const name of PERSON) {
      const target = place(name);
      const html = pop.html[name] ?? "";
      // What somebody types is never replaced under his hands.
      if (same && name === "choice" && target.contains(document.activeElement) && target.querySelector("form")) continue;
      if (target.dataset["shown"] === html) continue;
      target.dataset["shown"] = html;
      target.innerHTML = html;
    }
    if (!same) panel("person").scrollTop = 0;
    shown = pop.call_id;
    const form = place("choice").querySelector<HTMLFormElement>("form[data-new]");
    if (form) restore(form, pop.call_id);
    place("choice").hidden = !place("choice").children.length;
    requestAnimationFrame(() => setTimeout(() => {
      const record = place("record");
      const html = pop.html["record"] ?? "";
      if (signal.aborted || shown !== pop.call_id || record.dataset["shown"] === html) return;
      record.dataset["shown"] = html;
      record.innerHTML = html;
    }));
    root.dispatchEvent(new CustomEvent("desk:painted", { bubbles: true, detail: { call: pop.call_id } }));
  }

  const draftKey = (call: string): string => `careline.new.${call}`;
  // One draft is one customer, however often it is sent.
  const onces = new Map<string, string>();
  function onceOf(call: string): string {
    const known = onces.get(call) ?? crypto.randomUUID();
    onces.set(call, known);
    return known;
  }
  function restore(form: HTMLFormElement, call: string): void {
    try {
      const kept = JSON.parse(sessionStorage.getItem(draftKey(call)) ?? "{}") as Record<string, string>;
      for (const [name, value] of Object.entries(kept)) {
        const field = form.elements.namedItem(name);
        if ((field instanceof HTMLInputElement || field instanceof HTMLSelectElement) && !field.value) field.value = value;
        else if (field instanceof HTMLSelectElement) field.value = value;
      }
    } catch { /* a page without storage keeps nothing */ }
  }
  root.addEventListener("input", (event) => {
    const form = (event.target as Element).closest<HTMLFormElement>("form[data-new]");
    if (!form || !shown) return;
    try { sessionStorage.setItem(draftKey(shown), JSON.stringify(Object.fromEntries(new FormData(form)))); } catch { /* as above */ }
  }, { signal });

  async function choose(customer: string): Promise<void> {
    const call = deskNow().pop?.call_id;
    if (!call) return;
    const before = deskNow().pop?.customer_id ?? "";
    try {
      const pop = await ask<Pop>(`/api/v1/calls/${call}/customer`, { body: { customer_id: customer || null } });
      takePop(pop);
      notice(t("desk.chosen", { name: pop.name }), { undo: () => void choose(before) });
    } catch (error) { complain(error); }
  }
  async function record(form: HTMLFormElement): Promise<void> {
    const call = deskNow().pop?.call_id;
    if (!call || !form.reportValidity()) return;
    const button = form.querySelector("button");
    if (button?.disabled) return;
    if (button) button.disabled = true;
    const trouble = form.querySelector<HTMLElement>("[data-trouble]");
    if (trouble) trouble.textContent = "";
    try {
      const pop = await ask<Pop>(`/api/v1/calls/${call}/new-customer`, { body: Object.fromEntries(new FormData(form)), once: onceOf(call) });
      onces.delete(call);
      try { sessionStorage.removeItem(draftKey(call)); } catch { /* as above */ }
      (document.activeElement as HTMLElement | null)?.blur();
      takePop(pop);
      notice(t("desk.new.saved", { name: pop.name }));
    } catch (error) {
      // It was saved before the line broke, and changed since: show what there is.
      if (error instanceof Refusal && error.errorId === "idempotency-key-reused") { onces.delete(call); void load(); return; }
      if (trouble) trouble.textContent = error instanceof Refusal ? error.detail : t("desk.trouble.away");
    } finally { if (button) button.disabled = false; }
  }
  root.addEventListener("click", (event) => {
    const chosen = (event.target as Element).closest<HTMLElement>("[data-choose]");
    if (chosen) void choose(chosen.dataset["choose"] ?? "");
  }, { signal });
  root.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    if (!form.matches("[data-new]")) return;
    event.preventDefault();
    void record(form);
  }, { signal });
  root.addEventListener("turbo:frame-missing", (event) => {
    event.preventDefault(); // the record is closed to this person, or gone
    (event.target as Element).replaceChildren();
  }, { signal });
  for (let digit = 1; digit <= 9; digit += 1) {
    hotkey(String(digit), "desk.key.choose", () => {
      const people = root.querySelectorAll<HTMLElement>("[data-place=choice] .people [data-choose]");
      const one = people[digit - 1];
      // Those under "others" are chosen by key once they are looked at.
      if (!panel("person").hidden && one?.checkVisibility()) one.click();
    }, signal, { listed: digit === 1 });
  }
  hotkey("Ctrl+s", "desk.key.save", (event) => {
    const form = place("choice").querySelector<HTMLFormElement>("form[data-new]");
    if (!form || panel("person").hidden) return;
    event.preventDefault();
    if (!event.repeat) void record(form);
  }, signal, { always: true });

  // --- my state

  // The house's own words stand in the list people choose from.
  function pauseWord(reason: string): string {
    const offered = root.querySelector<HTMLOptionElement>(`[data-act="pause"] option[value="${CSS.escape(reason)}"]`);
    return offered?.textContent ?? maybe(`desk.pause.${reason}`) ?? reason;
  }

  function drawState(desk: Readonly<Desk>): void {
    const agent = desk.agent;
    const state = agent?.state ?? "signed_out";
    const reason = agent?.reason ? pauseWord(agent.reason) : "";
    place("state").textContent = t(`desk.state.${state}`);
    root.dataset["state"] = state;
    const next = agent?.next_pause ? t("desk.state.next_pause", { reason: pauseWord(agent.next_pause) }) : "";
    place("state-more").textContent = [reason, next].filter(Boolean).join(" · ") || asOf;
    const act = (name: string): HTMLElement => root.querySelector<HTMLElement>(`.mine [data-act="${name}"]`) as HTMLElement;
    act("sign-in").hidden = state !== "signed_out" || !agent;
    act("ready").hidden = state !== "paused" && !((state === "on_call" || state === "reserved") && agent?.next_pause);
    act("pause").hidden = state === "signed_out" || state === "ringing" && false;
    act("sign-out").hidden = state === "signed_out" || state === "on_call";
  }
  function tick(): void {
    const agent = deskNow().agent;
    const words = agent && agent.state !== "signed_out" ? span(since(agent.since)) : "";
    if (place("state-timer").textContent !== words) place("state-timer").textContent = words;
    const pop = deskNow().pop;
    if (pop) {
      const until = pop.connected_at ?? deskNow().call?.connected_at;
      const waited = span(((until ? Date.parse(until) : clock()) - Date.parse(pop.waiting_since)) / 1000);
      if (place("waited").textContent !== waited) place("waited").textContent = waited;
    }
  }
  const beat = window.setInterval(tick, 500);
  signal.addEventListener("abort", () => clearInterval(beat));
  root.querySelector(".mine")?.addEventListener("click", (event) => {
    const act = (event.target as Element).closest<HTMLElement>("button[data-act]")?.dataset["act"];
    if (act === "sign-in" || act === "ready" || act === "sign-out") void setState(act);
  }, { signal });
  const pause = root.querySelector<HTMLSelectElement>('select[data-act="pause"]');
  pause?.addEventListener("change", () => {
    if (pause.value) void setState("pause", pause.value);
    pause.value = "";
  }, { signal });
  hotkey("s", "desk.act.sign_in", () => { if (deskNow().agent?.state === "signed_out") void setState("sign-in"); }, signal);
  hotkey("r", "desk.act.ready", () => { if (deskNow().agent?.state === "paused") void setState("ready"); }, signal);
  hotkey("p", "desk.act.pause", (event) => { if (pause && !pause.hidden) { event.preventDefault(); pause.focus(); } }, signal);

  // --- today

  // Under a heading that says what they are, missed calls need no badge: the room is the number's.
  function line(task: Task, wide: boolean, headed = false): HTMLElement {
    const row = element("li");
    const late = task.due_at !== null && Date.parse(task.due_at) < clock();
    if (late) row.className = "late";
    if (!headed || task.kind !== "missed_call") row.append(element("span", maybe(`desk.open.${task.kind}`) ?? t("desk.open.other"), "badge"));
    const said = task.subject || task.customer_name || readable(task.number) || "";
    const [what, id] = (task.about ?? "").split(":");
    if (what && id && PLACES[what]) {
      const link = element("a", said || t("desk.open.other"));
      link.href = `${PLACES[what]}/${id}`;
      row.append(link);
    } else row.append(element("bdi", said));
    if (task.due_at) { const due = until(task.due_at); due.classList.add("figure"); if (late) due.classList.add("overdue"); row.append(due); }
    if (WAITING.has(task.kind) && (task.number || wide)) {
      const call = element("button", t("desk.act.call"));
      call.type = "button";
      call.dataset["callback"] = task.id;
      row.append(call);
    }
    return row;
  }
  function list(name: string, rows: HTMLElement[], none: string): void {
    place(name).replaceChildren(...(rows.length ? rows : [element("li", t(none), "dim")]));
  }
  async function callBack(task: string): Promise<void> {
    const once = keyOf(`task:${task}`); // of the click: the answers of two clicks may be far apart
    try {
      await ask(`/api/v1/tasks/${task}/claim`, { body: {} });
      const made = await ask<{ call_id: string }>(`/api/v1/tasks/${task}/call`, { body: {}, once });
      softphone()?.expect(made.call_id);
    } catch (error) {
      if (!(error instanceof Refusal)) unanswered(`task:${task}`);
      complain(error);
    }
    void today();
  }
  root.addEventListener("click", (event) => {
    const task = (event.target as Element).closest<HTMLElement>("[data-callback]")?.dataset["callback"];
    if (task) void callBack(task);
  }, { signal });
  hotkey("c", "desk.key.missed", () => { root.querySelector<HTMLElement>("[data-place=missed] [data-callback]")?.focus(); }, signal);

  async function today(): Promise<void> {
    const me = house()?.user.id;
    try {
      const [mine, open] = await Promise.all([
        ask<{ items: Task[] }>("/api/v1/tasks?state=mine&limit=50", { signal }),
        ask<{ items: Task[] }>("/api/v1/tasks?state=open&limit=50", { signal }),
      ]);
      const own = mine.items;
      const waiting = open.items.filter((task) => WAITING.has(task.kind) && (!task.owner_id || task.owner_id === me));
      list("tasks", own.slice(0, 6).map((task) => line(task, false)), "desk.tasks.none");
      list("missed", waiting.slice(0, 6).map((task) => line(task, true, true)), "desk.missed.none");
      list("today", own.slice(0, 12).map((task) => line(task, true)), "desk.tasks.none");
      list("waiting", waiting.slice(0, 12).map((task) => line(task, true)), "desk.missed.none");
      place("tasks-count").textContent = own.length ? String(own.length) : "";
      place("missed-count").textContent = waiting.length ? String(waiting.length) : "";
    } catch { /* the call bar says that the service is away; what is shown stays */ }
    try {
      const numbers = await ask<Numbers>("/api/v1/me/numbers", { signal });
      drawNumbers(root, numbers);
      const last = numbers.last_sign_out;
      asOf = numbers.first_sign_in ? t("desk.signed_in_at", { time: when(numbers.first_sign_in).textContent?.slice(0, 5) ?? "" }) : "";
      if (last && deskNow().agent?.state === "signed_out") asOf = t("desk.signed_out_at", { time: when(last).textContent?.slice(0, 5) ?? "" });
      drawState(deskNow());
    } catch { /* as above */ }
  }
  async function queues(): Promise<void> {
    try {
      const found = await ask<{ items: Queue[] }>("/api/v1/queues", { signal });
      const mine = deskNow().agent?.queues ?? {};
      const language = house()?.language ?? "zh-CN";
      const rows = found.items.filter((one) => !Object.keys(mine).length || one.name in mine).map((one) => {
        const row = element("li");
        row.append(element("b", one.label[language] ?? one.name), element("span", t("queues.waiting", { count: one.waiting }), one.waiting ? "some" : "dim"));
        if (one.waiting && one.longest_wait) row.append(element("span", span(one.longest_wait), "figure dim"));
        return row;
      });
      list("queues", rows, "queues.away");
    } catch { /* as above */ }
  }
  // For those who look after others: who is there, and whose page no longer answers.
  async function team(): Promise<void> {
    if (!root.querySelector("[data-place=team]")) return;
    try {
      const found = await ask<{ items: { id: string; name: string; state: string; here: boolean | null }[] }>("/api/v1/agents", { signal });
      const there = found.items.filter((one) => one.state !== "signed_out");
      list("team", there.map((one) => {
        const row = element("li");
        row.append(element("b", one.name), element("span", t(`desk.state.${one.state}`), "dim"));
        if (one.here === false) row.append(element("span", t("desk.team.gone"), "overdue"));
        return row;
      }), "desk.team.none");
      const gone = there.filter((one) => one.here === false).length;
      place("team-count").textContent = gone ? String(gone) : "";
    } catch { /* as above */ }
  }
  listen("presence", () => void team(), signal);
  listen("agent", throttled(1500, () => { void queues(); void team(); if (deskNow().phase === "idle") void today(); }, signal), signal);
  const minute = window.setInterval(() => void today(), 60_000);
  signal.addEventListener("abort", () => clearInterval(minute));

  // --- one page, four states

  let was = "";
  function draw(desk: Readonly<Desk>): void {
    const talking = desk.phase !== "idle" && desk.pop !== null;
    if (desk.pop) fill(desk.pop);
    else shown = "";
    root.dataset["phase"] = desk.phase;
    panel("person").hidden = !talking;
    panel("today").hidden = talking;
    drawState(desk);
    tick();
    if (right) {
      const call = talking ? (desk.pop?.call_id ?? "") : "";
      const customer = desk.pop?.customer_id ?? "";
      if (right.dataset["call"] !== call || right.dataset["phase"] !== desk.phase || right.dataset["customer"] !== customer) {
        Object.assign(right.dataset, { call, phase: desk.phase, customer });
        // The name is painted first; what to say and file comes in the next frame.
        const detail = { call, phase: desk.phase, customer };
        requestAnimationFrame(() => setTimeout(() => { if (!signal.aborted) right.dispatchEvent(new CustomEvent("desk:call", { detail })); }));
      }
    }
    if (was && was !== desk.phase && desk.phase === "idle") void today();
    was = desk.phase;
  }
  const page = pageOf<Now | null>(root);
  takePage(page);
  onDesk(draw, signal);
  void today();
  void queues();
  void team();
});
