// Contacts: the list an agent works down by keyboard, and the page of one contact during its call. What is typed is kept
// in the browser until the service has it.
import { visit } from "@hotwired/turbo";
import { moment } from "./aftercall/shapes";
import { Refusal, ask } from "./ask";
import { house } from "./house";
import { island, pageOf } from "./islands";
import { hotkey } from "./keys";
import { notice } from "./notices";
import { dial } from "./phone/dial";
import { t } from "./texts";

function told(error: unknown): string {
  if (!(error instanceof Refusal)) return t("contacts.away");
  const beside = (error.problem["errors"] ?? []) as { message: string }[];
  return [error.detail, ...beside.map((one) => one.message)].filter((one, at, all) => one && all.indexOf(one) === at).join(" ");
}

// --- the list

island("contacts-list", (root, signal) => {
  let busy = false;

  // The rows as they are now take the place of the old ones, unless somebody is at one of them.
  async function look(): Promise<void> {
    if (busy || document.hidden || signal.aborted) return;
    if (root.querySelector("#c-rows")?.contains(document.activeElement)) return;
    busy = true;
    const address = location.pathname + location.search;
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" }, signal, redirect: "error" });
      if (!answer.ok || signal.aborted || address !== location.pathname + location.search) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector<HTMLElement>('[data-island="contacts-list"]');
      if (!fresh || signal.aborted || fresh.dataset["mark"] === root.dataset["mark"]) return;
      if (root.querySelector("#c-rows")?.contains(document.activeElement)) return;
      for (const place of ["#c-rows", ".c-plot", ".tabs"]) {
        const old = root.querySelector(place);
        const made = fresh.querySelector(place);
        if (old && made && old.innerHTML !== made.innerHTML) old.replaceChildren(...made.childNodes);
      }
      root.dataset["mark"] = fresh.dataset["mark"] ?? "";
    } catch { /* away for the moment: what is there stays */ } finally { busy = false; }
  }

  function move(by: number): void {
    const rows = [...root.querySelectorAll<HTMLElement>("[data-row]")];
    const at = rows.indexOf(document.activeElement as HTMLElement);
    rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by))]?.focus();
  }

  hotkey("j", t("contacts.key.down"), () => move(1), signal);
  hotkey("k", t("contacts.key.up"), () => move(-1), signal);
  root.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    if (!(event.target instanceof Element) || !event.target.closest("[data-row]")) return;
    event.preventDefault();
    move(event.key === "ArrowDown" ? 1 : -1);
  }, { signal });
  addEventListener("focus", () => void look(), { signal });
  document.addEventListener("visibilitychange", () => void look(), { signal });
  const timer = window.setInterval(() => void look(), 60_000);
  signal.addEventListener("abort", () => clearInterval(timer));
});

// --- one contact

interface Page { id: string; version: number; customer_id: string; next: string }
interface Kept { note?: string; result?: string; until?: string; reasons?: string[]; call?: string; at: number }

island("contact", (root, signal) => {
  const page = pageOf<Page>(root);
  const key = `careline:contact:${house()?.user.id ?? ""}:${page.id}`;
  const form = root.querySelector<HTMLFormElement>("[data-result]");
  const trouble = root.querySelector<HTMLElement>("[data-trouble]");
  let sending = false;

  function read(): Kept {
    try { return (JSON.parse(localStorage.getItem(key) ?? "null") as Kept | null) ?? { at: 0 }; } catch { return { at: 0 }; }
  }
  function write(kept: Kept | null): void {
    try {
      if (kept) localStorage.setItem(key, JSON.stringify({ ...kept, at: Date.now() }));
      else localStorage.removeItem(key);
    } catch { /* a full store: the page still holds it */ }
  }
  function say(words: string): void {
    if (!trouble) return;
    trouble.textContent = words;
    trouble.hidden = !words;
    if (words) trouble.scrollIntoView({ block: "nearest" });
  }

  const chosen = (): string => form?.querySelector<HTMLInputElement>('[name="result"]:checked')?.value ?? "";
  const field = (name: string): HTMLInputElement | HTMLTextAreaElement | null => form?.querySelector(`[name="${name}"]`) ?? null;
  const spoken = (): string[] => [...(form?.querySelectorAll<HTMLInputElement>('[name="reason"]:checked') ?? [])].map((one) => one.value);

  function reveal(): void {
    for (const one of form?.querySelectorAll<HTMLElement>("[data-for]") ?? []) one.hidden = one.dataset["for"] !== chosen();
  }
  function keep(): void {
    const kept: Kept = { ...read(), note: field("note")?.value ?? "", result: chosen(), until: field("until")?.value ?? "", reasons: spoken() };
    write(kept);
    const shown = form?.querySelector<HTMLElement>("[data-kept]");
    if (shown) shown.textContent = kept.note || kept.result ? t("contacts.draft_kept") : "";
  }

  if (form) {
    const kept = read();
    if (kept.note) field("note")!.value = kept.note;
    if (kept.until) field("until")!.value = kept.until;
    for (const one of form.querySelectorAll<HTMLInputElement>('[name="result"]')) one.checked = one.value === kept.result;
    for (const one of form.querySelectorAll<HTMLInputElement>('[name="reason"]')) one.checked = kept.reasons?.includes(one.value) ?? false;
    reveal();
    form.addEventListener("input", () => { reveal(); keep(); say(""); }, { signal });
    form.addEventListener("submit", (event) => { event.preventDefault(); void send(); }, { signal });
    hotkey("Ctrl+Enter", t("contacts.save"), () => void send(), signal, { always: true });
  }

  async function send(): Promise<void> {
    const result = chosen();
    if (sending) return;
    if (!result) { say(t("contacts.choose")); return; }
    const button = form!.querySelector<HTMLButtonElement>("button.primary")!;
    sending = true;
    button.disabled = true;
    const kept = read();
    const until = result === "not_reached" ? field("until")!.value : "";
    try {
      const after = await ask<{ contact: { version: number; state: string } }>(`/api/v1/contacts/${page.id}/result`, {
        body: { result, version: page.version, note: field("note")!.value, call_id: kept.call ?? null, done_reasons: result === "partly" ? spoken() : null },
      });
      if (until && after.contact.state !== "closed") await ask(`/api/v1/contacts/${page.id}/postpone`, { body: { until: moment(until.replace(" ", "T")), version: after.contact.version } });
      write(null);
      if (signal.aborted) return;
      notice(t("contacts.saved"));
      visit(page.next && after.contact.state === "closed" ? `/contacts/${page.next}` : location.pathname, { action: "replace" });
    } catch (error) {
      if (signal.aborted) return;
      // An answer that was lost: whether it came through is seen on the page itself.
      if (error instanceof Refusal && (error.errorId === "contact-changed" || error.errorId === "contact-closed")) say(`${told(error)} ${t("contacts.typed_kept")}`);
      else say(told(error));
    } finally {
      sending = false;
      button.disabled = false;
    }
  }

  function act(button: HTMLButtonElement, work: () => Promise<void>): void {
    if (button.disabled) return;
    button.disabled = true;
    work().catch((error: unknown) => { if (!signal.aborted) say(told(error)); }).finally(() => { button.disabled = false; });
  }

  root.addEventListener("click", (event) => {
    const target = event.target as Element;
    const call = target.closest<HTMLButtonElement>("[data-call]");
    if (call) {
      act(call, async () => {
        const made = await dial({ customer_id: call.dataset["call"] ?? "", place: Number(call.dataset["place"] ?? 0) });
        if (!made) return;
        write({ ...read(), call: made });
        notice(t("phone.dial.begun"));
      });
      return;
    }
    const owner = target.closest<HTMLButtonElement>("[data-owner]");
    if (owner) {
      act(owner, async () => {
        await ask(`/api/v1/contacts/${page.id}/owner`, { body: { owner_id: owner.dataset["owner"] || null, version: page.version }, signal });
        visit(location.pathname, { action: "replace" });
      });
      return;
    }
    const survey = target.closest<HTMLButtonElement>("[data-survey]");
    if (survey) act(survey, () => fill(survey));
  }, { signal });

  async function fill(button: HTMLButtonElement): Promise<void> {
    const place = root.querySelector<HTMLElement>("[data-filling]");
    if (!place || place.childElementCount) return;
    const begun = await ask<{ id: string }>("/api/v1/responses", {
      body: { questionnaire: button.dataset["survey"], customer_id: page.customer_id, vehicle_id: button.dataset["vehicle"] || null, contact_id: page.id, call_id: read().call ?? null },
      signal,
    });
    if (signal.aborted || place.childElementCount) return;
    const section = document.createElement("section");
    section.className = "s-fill";
    section.dataset["island"] = "survey-fill";
    section.dataset["response"] = begun.id;
    const part = document.createElement("div");
    part.dataset["part"] = "fill";
    section.append(part);
    place.append(section);
    button.hidden = true;
  }

  // The survey has ended: what came of the talk is all but said.
  root.addEventListener("survey:ended", (event) => {
    const ended = (event as CustomEvent<{ state: string }>).detail;
    if (!form || chosen()) return;
    const wanted = ended.state === "finished" ? "done" : ended.state === "declined" ? "refused" : "";
    const pick = form.querySelector<HTMLInputElement>(`[name="result"][value="${wanted}"]`);
    if (pick) { pick.checked = true; reveal(); keep(); }
  }, { signal });

  const first = root.querySelector<HTMLButtonElement>("[data-survey]");
  if (first) hotkey("q", t("contacts.begin_survey"), () => first.click(), signal);
  if (page.next) hotkey("n", t("contacts.next"), () => visit(`/contacts/${page.next}`), signal);
});
