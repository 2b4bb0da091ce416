// The right panel: what to say, what to file, what the house knows, a task. It follows the call of the element it is in
// (data-call, data-phase, event desk:call); a call with unfiled text stays until another one needs the place.
import { Refusal, ask } from "./ask";
import { sweepCopies } from "./aftercall/draft";
import { startKnowledge } from "./aftercall/knowledge";
import { RegistrationForm } from "./aftercall/registration";
import { drawScript, loadScript } from "./aftercall/script";
import { type Panel, make } from "./aftercall/shapes";
import { drawTask } from "./aftercall/task";
import { may } from "./house";
import { island } from "./islands";
import { hotkey } from "./keys";
import { listen } from "./live";
import { t } from "./texts";
import { readable, when } from "./times";
import "./aftercall/pages";

interface Unfiled { call_id: string; ended_at: string; number: string | null; customer_name: string | null; has_draft: boolean }

island("aftercall", (root, signal) => {
  const box = root.querySelector<HTMLElement>("[data-ac]");
  if (!box || !may("registrations.file")) return;
  const pane = (name: string): HTMLElement => box.querySelector<HTMLElement>(`[data-pane="${name}"]`)!;
  const part = (name: string): HTMLElement => box.querySelector<HTMLElement>(`[data-part="${name}"]`)!;
  let call = "";
  let form: RegistrationForm | null = null;
  let inner = new AbortController();
  let chosenByHand = false;
  let lastPhase = "";
  let turn = 0;
  // Talked in, and not to be filed yet as far as the log says.
  let early = false;

  function open(name: string): void {
    for (const tab of box!.querySelectorAll<HTMLElement>("[data-tab]")) tab.setAttribute("aria-selected", String(tab.dataset["tab"] === name));
    for (const one of box!.querySelectorAll<HTMLElement>("[data-pane]")) one.hidden = one.dataset["pane"] !== name;
  }

  async function script(language = ""): Promise<void> {
    const asked = call;
    try {
      const spoken = await loadScript(call, form?.callType ?? "", language);
      if (asked === call) drawScript(part("script"), spoken, (other) => void script(other));
    } catch { /* a call without its script is still a call; the form says what the line is like */ }
  }

  async function unfiled(): Promise<void> {
    try {
      const found = await ask<{ items: Unfiled[]; next: string | null }>("/api/v1/unfiled?limit=10", { signal });
      const items = found.items.filter((one) => one.call_id !== call);
      if (!items.length) { part("unfiled").replaceChildren(...(call ? [] : [make("p", { class: "quiet" }, t("aftercall.idle"))])); return; }
      if (!call && !chosenByHand) open("call");
      part("unfiled").replaceChildren(make("section", { class: "ac-unfiled" },
        make("h2", {}, t("aftercall.unfiled.heading", { count: `${items.length}${found.next ? "+" : ""}` })),
        make("ul", { class: "lines" }, ...items.map((one) => make("li", {},
          make("a", { href: `/registrations/${one.call_id}` }, one.customer_name ?? readable(one.number) ?? t("calls.hidden")), " ", when(one.ended_at),
          ...(one.has_draft ? [" ", make("span", { class: "badge" }, t("aftercall.unfiled.draft"))] : []))))));
    } catch { /* told by the line's own sign */ }
  }

  // The call of the page, or none. Text that is not filed stays on the page while no other call needs the place.
  async function follow(): Promise<void> {
    const wanted = root.dataset["call"] ?? "";
    const phase = root.dataset["phase"] ?? "idle";
    const moved = phase !== lastPhase;
    lastPhase = phase;
    // Answered: what could only be looked at before can be filed now.
    if (wanted && wanted === call && moved && !form?.isOpen && !form?.isFiled) void load(++turn);
    if (wanted === call || (!wanted && form?.isOpen && part("form").querySelector("form"))) {
      if (!wanted && call) part("form").querySelector(".ac-form")?.classList.add("late");
      return;
    }
    inner.abort();
    inner = new AbortController();
    signal.addEventListener("abort", () => inner.abort(), { signal: inner.signal });
    call = wanted;
    early = false;
    const complaint = part("case") as HTMLAnchorElement;
    complaint.hidden = !call;
    complaint.href = `/cases/new?call_id=${call}`;
    form = null;
    const now = ++turn;
    if (!chosenByHand || wanted) { open(wanted || phase !== "idle" ? "call" : "knowledge"); chosenByHand = false; }
    if (!wanted) {
      for (const name of ["script", "form"]) part(name).replaceChildren();
      drawTask(part("task"), null);
      void unfiled();
      return;
    }
    void script();
    await load(now);
    void unfiled();
  }

  async function load(now: number, tries = 0): Promise<void> {
    try {
      const panel = await ask<Panel>(`/api/v1/calls/${call}/panel`);
      if (now !== turn) return;
      early = !panel.may_file && !panel.registration;
      if (early && ["ringing", "talking", "wrap_up"].includes(lastPhase)) {
        part("form").replaceChildren(make("p", { class: "quiet" }, t("aftercall.after_answer")));
        // The page hears of the answer a moment before the log says whose call it is; the log tells when it does.
        if (lastPhase !== "ringing" && tries < 5) setTimeout(() => { if (now === turn && !signal.aborted) void load(now, tries + 1); }, 700);
        return;
      }
      form = new RegistrationForm(part("form"), panel, {
        filed: (state) => { document.dispatchEvent(new CustomEvent("careline:filed", { detail: { call: panel.call.id, state } })); void unfiled(); },
        typeChanged: () => void script(),
      }, inner.signal);
      drawTask(part("task"), panel);
    } catch (error) {
      if (now !== turn || signal.aborted) return;
      if (error instanceof Refusal && error.status < 500) { part("form").replaceChildren(make("p", { class: "quiet" }, t("aftercall.not_yours"))); return; }
      part("form").replaceChildren(make("p", { class: "quiet" }, t("aftercall.trouble.later")));
      setTimeout(() => { if (now === turn && !signal.aborted) void load(now); }, 3000);
    }
  }

  box.addEventListener("click", (event) => {
    const tab = (event.target as Element).closest<HTMLElement>("[data-tab]");
    if (tab) { chosenByHand = true; open(tab.dataset["tab"] ?? "call"); }
  }, { signal });
  for (const [key, name, words] of [["1", "call", "aftercall.tab.call"], ["2", "knowledge", "aftercall.tab.knowledge"], ["3", "task", "aftercall.tab.task"]] as const) {
    hotkey(`Alt+${key}`, words, (event) => {
      event.preventDefault();
      chosenByHand = true;
      open(name);
      pane(name).querySelector<HTMLElement>("input, select, textarea, button")?.focus();
    }, signal, { always: true });
  }
  hotkey("Ctrl+Enter", "aftercall.key.file", (event) => {
    // Between two people the key hands the customer over; what is written stays.
    if (document.querySelector("[data-act=complete]:not([hidden])") || !part("form").querySelector(".ac-form")) return;
    event.preventDefault();
    open("call");
    void form?.file();
  }, signal, { always: true });
  root.addEventListener("desk:call", () => void follow(), { signal });
  listen<{ id: string }>("call", (changed) => { if (early && changed.id === call && lastPhase !== "ringing") void load(++turn); }, signal);
  sweepCopies();
  startKnowledge(pane("knowledge"), signal);
  void follow();
  if (!call) { open(root.dataset["phase"] && root.dataset["phase"] !== "idle" ? "call" : "knowledge"); void unfiled(); drawTask(part("task"), null); }
});
