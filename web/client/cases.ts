// Cases: the list that keeps itself fresh, the form of a new one, and the steps of one. What is typed is kept in the
// browser until the service has it; whoever comes second is told what the other did, and loses nothing.
import { visit } from "@hotwired/turbo";
import { Refusal, ask } from "./ask";
import { make, moment } from "./aftercall/shapes";
import { dayText } from "./days";
import { house } from "./house";
import { island, pageOf } from "./islands";
import { hotkey } from "./keys";
import { listen } from "./live";
import { notice } from "./notices";
import { t } from "./texts";

interface Line { id: string; number: string; state: string; subject: string; round: number; hidden?: boolean }
interface Event { seq: number; at: string; step: string; by: string; by_name: string }
interface Detail { case: { id: string; number: string; version: number }; events: Event[]; link?: { path: string; pin: string; expires_at: string } | null }

function told(error: unknown): string {
  if (!(error instanceof Refusal)) return t("cases.away");
  const beside = (error.problem["errors"] ?? []) as { field: string; message: string }[];
  return [error.detail, ...beside.map((one) => one.message)].filter((one, at, all) => one && all.indexOf(one) === at).join(" ");
}

function say(place: HTMLElement | null, words: string): void {
  if (!place) return;
  place.textContent = words;
  place.hidden = !words;
  if (words) place.scrollIntoView({ block: "nearest" });
}

// --- what is typed, in this browser

const OLD = 14 * 24 * 3600 * 1000;

function keyOf(about: string): string {
  return `careline:case:${house()?.user.id ?? ""}:${about}`;
}

type Kept = Record<string, string>;

function read(about: string): Kept | null {
  try {
    const found = JSON.parse(localStorage.getItem(keyOf(about)) ?? "null") as { at: number; values: Kept } | null;
    return found && Date.now() - found.at < OLD ? found.values : null;
  } catch { return null; }
}

function write(about: string, values: Kept | null): void {
  try {
    if (values && Object.keys(values).length) localStorage.setItem(keyOf(about), JSON.stringify({ at: Date.now(), values }));
    else localStorage.removeItem(keyOf(about));
  } catch { /* a full store: the page still holds it */ }
}

type Field = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

function fieldsOf(form: HTMLFormElement): Field[] {
  return [...form.elements].filter((one): one is Field => one instanceof HTMLInputElement || one instanceof HTMLSelectElement || one instanceof HTMLTextAreaElement).filter((one) => one.name !== "");
}

// Only what differs from the page: a draft must not undo what somebody else wrote into a field nobody touched.
function changed(form: HTMLFormElement): Kept {
  const values: Kept = {};
  for (const one of fieldsOf(form)) {
    if (one instanceof HTMLInputElement && (one.type === "radio" || one.type === "checkbox")) {
      if (one.checked !== one.defaultChecked && (one.type === "checkbox" || one.checked)) values[one.name] = one.type === "radio" ? one.value : String(one.checked);
    } else if (one instanceof HTMLSelectElement) {
      const first = [...one.options].find((option) => option.defaultSelected)?.value ?? one.options[0]?.value ?? "";
      if (one.value !== first) values[one.name] = one.value;
    } else if (one.value !== one.defaultValue && !one.readOnly) values[one.name] = one.value;
  }
  return values;
}

function restore(form: HTMLFormElement, values: Kept): void {
  for (const one of fieldsOf(form)) {
    const value = values[one.name];
    if (value === undefined || (one instanceof HTMLInputElement && one.readOnly)) continue;
    if (one instanceof HTMLInputElement && one.type === "radio") one.checked = one.value === value;
    else if (one instanceof HTMLInputElement && one.type === "checkbox") one.checked = value === "true";
    else one.value = value;
  }
}

// --- the list

island("cases-list", (root, signal) => {
  const bar = root.querySelector<HTMLElement>("[data-changed]");
  let busy = false;

  // The rows as they are now take the place of the old ones; nothing else moves.
  async function look(force = false): Promise<void> {
    if (busy || document.hidden || signal.aborted) return;
    busy = true;
    const address = location.pathname + location.search;
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" }, signal, redirect: "error" });
      if (!answer.ok || signal.aborted || address !== location.pathname + location.search) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector<HTMLElement>('[data-island="cases-list"]');
      if (!fresh || signal.aborted) return;
      const other = fresh.dataset["mark"] !== root.dataset["mark"];
      // Whoever is at a row is not robbed of it: he is told, and says when.
      const within = root.querySelector("#k-rows")?.contains(document.activeElement) ?? false;
      if (other && within && !force) { if (bar) bar.hidden = false; return; }
      for (const place of ["#k-rows", ".k-plot", ".tabs"]) {
        const old = root.querySelector(place);
        const made = fresh.querySelector(place);
        if (old && made && old.innerHTML !== made.innerHTML) old.replaceChildren(...made.childNodes);
      }
      root.dataset["mark"] = fresh.dataset["mark"] ?? "";
      if (bar) bar.hidden = true;
    } catch { /* away for the moment: what is there stays */ } finally { busy = false; }
  }

  addEventListener("focus", () => void look(), { signal });
  document.addEventListener("visibilitychange", () => void look(), { signal });
  // A case of one's own moved or is due: the stream says so at once.
  listen("case", () => void look(), signal);
  const timer = window.setInterval(() => void look(), 60_000);
  signal.addEventListener("abort", () => clearInterval(timer));
  root.querySelector("[data-filter]")?.addEventListener("change", (event) => { if (event.target instanceof HTMLSelectElement) event.target.form?.requestSubmit(); }, { signal });
  root.addEventListener("click", (event) => {
    const target = event.target as Element;
    if (target.closest("[data-refresh]")) { void look(true); return; }
    const button = target.closest<HTMLButtonElement>("[data-urge]");
    if (!button || button.disabled) return;
    button.disabled = true;
    ask(`/api/v1/cases/${button.dataset["urge"]}/urge`, { body: {}, signal })
      .then(() => { notice(t("cases.done.urge")); button.blur(); return look(true); })
      .catch((error: unknown) => { if (!signal.aborted) notice(told(error), { kind: "trouble" }); })
      .finally(() => { button.disabled = false; });
  }, { signal });
});

// --- a new one

interface NewPage { customer_id: string | null; vehicle_id: string | null; call_id: string | null; promises: Record<string, string>; draft: string }
interface Person { id: string; number: string; name: string; vehicles: { id: string; plate: string | null; model: string }[] }

function houseTime(at: string): string {
  const parts = new Intl.DateTimeFormat("en-CA", { timeZone: house()?.zone ?? "Asia/Shanghai", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).formatToParts(new Date(at));
  const part = (name: string): string => parts.find((one) => one.type === name)?.value ?? "";
  return `${part("year")}-${part("month")}-${part("day")} ${part("hour")}:${part("minute")}`;
}

island("cases-new", (root, signal) => {
  const page = pageOf<NewPage>(root);
  const form = root.querySelector<HTMLFormElement>("form[data-new]")!;
  const trouble = root.querySelector<HTMLElement>("[data-trouble]");
  const kept = root.querySelector<HTMLElement>("[data-kept]")!;
  const drop = root.querySelector<HTMLButtonElement>("[data-drop]")!;
  const promise = root.querySelector<HTMLElement>("[data-promise]")!;
  const found = root.querySelector<HTMLElement>("[data-found]")!;
  const about = `new:${page.draft}`;
  let customer = page.customer_id;
  let sending = false;
  let once = crypto.randomUUID();
  let turn = 0;
  let timer = 0;
  const value = (name: string): string => String(new FormData(form).get(name) ?? "").trim();
  const vehicle = (): string | null => root.querySelector<HTMLSelectElement>('[name="vehicle_id"]')?.value || null;

  function hint(): void {
    const at = page.promises[`${value("kind")}.${value("grade")}`];
    promise.textContent = at ? t("cases.promised_hint", { until: houseTime(at) }) : "";
    const field = form.querySelector<HTMLInputElement>('[name="promised_at"]')!;
    // The rule's moment stands there until somebody promises another one.
    if (at && (!field.value || field.dataset["suggested"] === field.value)) { field.value = houseTime(at); field.dataset["suggested"] = field.value; }
  }

  function keep(): void {
    const values = changed(form);
    if (form.querySelector<HTMLInputElement>('[name="promised_at"]')?.dataset["suggested"] === values["promised_at"]) delete values["promised_at"];
    write(about, values);
    const any = Object.keys(values).length > 0;
    kept.textContent = any ? t("cases.draft_kept") : "";
    drop.hidden = !any;
  }

  const drafted = read(about);
  if (drafted) { restore(form, drafted); notice(t("cases.draft_back")); }
  hint();
  keep();
  form.addEventListener("input", (event) => {
    const name = (event.target as Field).name;
    if (name === "kind" || name === "grade") hint();
    keep();
  }, { signal });
  drop.addEventListener("click", () => { form.reset(); write(about, null); hint(); keep(); }, { signal });

  // Who shares the matter: open cases of the customer or the vehicle, while one still writes.
  async function earlier(): Promise<void> {
    const list = root.querySelector<HTMLElement>("[data-earlier-list]")!;
    const mine = ++turn;
    if (!customer) { list.replaceChildren(make("li", { class: "quiet" }, t("cases.earlier_none"))); return; }
    const asked = [`customer_id=${customer}`, ...(vehicle() ? [`vehicle_id=${vehicle()}`] : [])];
    try {
      const pages = await Promise.all(asked.map((one) => ask<{ items: Line[] }>(`/api/v1/cases?which=all&limit=5&${one}`, { signal })));
      if (mine !== turn) return;
      const all = new Map(pages.flatMap((one) => one.items).map((one) => [one.id, one]));
      const lines = [...all.values()].slice(0, 6).map((one) => make("li", { class: "k-line" },
        make("a", { href: `/cases/${one.id}`, class: "mono", target: "_blank" }, one.number), " ",
        make("span", { class: "badge", "data-kind": one.state === "closed" ? "good" : "accent" }, t(`cases.state.${one.state === "handling" && one.round > 1 ? "handling_again" : one.state}`)), " ",
        one.hidden ? t("cases.hidden") : one.subject));
      list.replaceChildren(...(lines.length ? lines : [make("li", { class: "quiet" }, t("cases.earlier_none"))]));
    } catch { /* what was there stays */ }
  }
  root.addEventListener("change", (event) => { if ((event.target as Field).name === "vehicle_id") void earlier(); }, { signal });

  // Another customer.
  const find = root.querySelector<HTMLInputElement>("#k-find")!;
  let asking: AbortController | undefined;
  find.addEventListener("input", () => {
    clearTimeout(timer);
    asking?.abort();
    timer = window.setTimeout(async () => {
      const typed = find.value.trim();
      if (typed.length < 2) { found.hidden = true; return; }
      const mine = (asking = new AbortController());
      try {
        const page_ = await ask<{ items: { customer_id: string; customer_number: string; name: string; phone: string }[] }>(`/api/v1/search?limit=8&q=${encodeURIComponent(typed)}`, { signal: AbortSignal.any([mine.signal, signal]) });
        if (mine.signal.aborted) return;
        found.replaceChildren(...(page_.items.length ? page_.items.map((one) => make("li", {}, make("button", { type: "button", class: "plain", "data-take": one.customer_id }, `${one.name} ${one.customer_number}`))) : [make("li", { class: "quiet" }, t("cases.found_none"))]));
        found.hidden = false;
      } catch { found.hidden = true; }
    }, 250);
  }, { signal });
  found.addEventListener("click", async (event) => {
    const id = (event.target as Element).closest<HTMLElement>("[data-take]")?.dataset["take"];
    if (!id) return;
    const mine = ++turn;
    try {
      const view = await ask<{ customer: { id: string; number: string; name: string }; vehicles: { vehicle: { id: string; plate: string | null; model: string } }[] }>(`/api/v1/customers/${id}`, { signal });
      if (mine !== turn) return;
      customer = view.customer.id;
      person({ ...view.customer, vehicles: view.vehicles.map((one) => one.vehicle) });
      found.hidden = true;
      find.value = "";
      void earlier();
    } catch (error) { if (!signal.aborted) say(trouble, told(error)); }
  }, { signal });

  function person(one: Person): void {
    const place = root.querySelector<HTMLElement>("[data-customer]")!;
    const parts: HTMLElement[] = [make("p", { class: "k-who" }, make("b", {}, make("a", { href: `/customers/${one.id}`, target: "_blank" }, one.name)), " ", make("span", { class: "quiet mono" }, one.number))];
    if (one.vehicles.length) {
      const select = make("select", { id: "f-vehicle_id", name: "vehicle_id" }, ...(one.vehicles.length > 1 ? [make("option", { value: "" }, t("cases.any"))] : []), ...one.vehicles.map((car) => make("option", { value: car.id }, `${car.plate ?? ""} ${car.model}`.trim())));
      parts.push(make("div", { class: "field" }, make("label", { for: "f-vehicle_id" }, t("cases.vehicle")), select));
    }
    place.replaceChildren(...parts);
  }

  async function send(): Promise<void> {
    if (sending || !form.reportValidity()) return;
    sending = true;
    const buttons = [...form.querySelectorAll("button")];
    for (const one of buttons) one.disabled = true;
    say(trouble, "");
    const optional = (name: string): string | null => value(name) || null;
    const mileage = Number(value("mileage").replace(/[^0-9]/g, ""));
    const plain = Object.fromEntries(["subject", "words", "summary", "happened", "place", "symptom", "wants", "caller_name", "departmental_person", "consultant", "advisor", "technician"].map((name) => [name, value(name)]));
    try {
      const made = await ask<Detail>("/api/v1/cases", { once, body: {
        ...plain, kind: value("kind"), grade: value("grade"), source: value("source"), customer_id: customer, vehicle_id: vehicle(), call_id: page.call_id,
        phone: optional("phone"), mileage: value("mileage") ? mileage : null, department: optional("department"), handler_id: optional("handler_id"),
        promised_at: value("promised_at") ? moment(value("promised_at").replace(" ", "T")) : null,
        repeat_of: new URLSearchParams(location.search).get("repeat_of"),
      } });
      write(about, null);
      notice(t("cases.registered", { number: made.case.number }));
      if (!signal.aborted) visit(`/cases/${made.case.id}`, { action: "replace" });
    } catch (error) {
      if (signal.aborted) return;
      say(trouble, told(error));
      // Refused as it stands: what is mended next is another request. Lost on the way: the same one.
      if (error instanceof Refusal && error.status < 500) once = crypto.randomUUID();
    } finally {
      sending = false;
      for (const one of buttons) one.disabled = false;
    }
  }
  form.addEventListener("submit", (event) => { event.preventDefault(); void send(); }, { signal });
  hotkey("Ctrl+Enter", "cases.register", (event) => { event.preventDefault(); void send(); }, signal, { always: true });
});

// --- one of them

interface CasePage { id: string; version: number; events: number; base: string }

function bodyOf(form: HTMLFormElement): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const one of fieldsOf(form)) {
    const as = one.dataset["as"] ?? "";
    const text = one.value.trim();
    if (one instanceof HTMLInputElement && one.type === "radio") { if (one.checked) body[one.name] = text; continue; }
    if (as === "flag") { body[one.name] = (one as HTMLInputElement).checked; continue; }
    // Fields of the form that nobody touched are left as they are now, not as this page knew them.
    const corrected = form.dataset["step"] === "change" && one.name !== "words";
    if (corrected && (one instanceof HTMLSelectElement || one.value === one.defaultValue)) continue;
    if (as === "moment") body[one.name] = text ? moment(text.replace(" ", "T")) : null;
    else if (as === "number") body[one.name] = text ? Number(text.replace(/[^0-9]/g, "")) : null;
    else if (as === "optional") body[one.name] = text ? (dayText(text, false) ?? text) : null;
    else body[one.name] = one.name === "carry_out_on" ? (dayText(text, false) ?? text) : text;
  }
  return body;
}

island("cases-case", (root, signal) => {
  if (!root.querySelector("[data-page]")) return;
  const page = pageOf<CasePage>(root);
  const box = root.querySelector<HTMLElement>("[data-once]");
  let busy = false;
  const about = (step: string): string => `step:${page.id}:${step}`;
  let restored = false;
  for (const form of root.querySelectorAll<HTMLFormElement>("form[data-step]")) {
    const values = read(about(form.dataset["step"]!));
    if (!values) continue;
    restore(form, values);
    for (let one: HTMLElement | null = form; one; one = one.parentElement) if (one instanceof HTMLDetailsElement) one.open = true;
    restored = true;
  }
  if (restored) notice(t("cases.crossed_kept"));

  root.addEventListener("input", (event) => {
    const form = (event.target as Field).form;
    if (form?.dataset["step"]) write(about(form.dataset["step"]), changed(form));
  }, { signal });

  root.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.dataset["step"]) return;
    event.preventDefault();
    if (busy || (form.dataset["ask"] && !confirm(form.dataset["ask"]))) return;
    void take(form);
  }, { signal });

  async function take(form: HTMLFormElement): Promise<void> {
    const step = form.dataset["step"]!;
    const trouble = form.querySelector<HTMLElement>("[data-trouble]");
    const buttons = [...root.querySelectorAll<HTMLButtonElement>("form[data-step] button")];
    busy = true;
    for (const one of buttons) one.disabled = true;
    say(trouble, "");
    try {
      const done = await ask<Detail>(`/api/v1/cases/${page.id}/${step.replace(/_/g, "-")}`, { body: { ...bodyOf(form), version: page.version } });
      write(about(step), null);
      notice(t("cases.saved_step", { step: t(`cases.done.${step}`) }));
      if (signal.aborted) return;
      if (done.link && box) { showLink(done.link); return; }
      visit(location.pathname, { action: "replace" });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refusal && error.status === 409) await crossed(trouble, error);
      else say(trouble, told(error));
    } finally {
      busy = false;
      for (const one of buttons) one.disabled = false;
    }
  }

  // Somebody was faster: what he did is shown beside what was typed; one looks, and what was typed comes along.
  async function crossed(trouble: HTMLElement | null, error: Refusal): Promise<void> {
    let words = told(error);
    try {
      const now = await ask<Detail>(`/api/v1/cases/${page.id}`, { signal });
      const later = now.events.filter((one) => one.seq > page.events);
      const last = later.at(-1);
      const what = [...new Set(later.map((one) => t(`cases.done.${one.step}`)))].join(" · ");
      if (last) words = t("cases.crossed", { who: later[0]?.by_name || t("cases.by.house"), what, at: houseTime(last.at) }) + " " + words;
    } catch { /* the refusal itself says enough */ }
    if (signal.aborted || !trouble) return;
    say(trouble, words);
    const look = make("button", { type: "button" }, t("cases.crossed_look"));
    look.addEventListener("click", () => visit(location.pathname, { action: "replace" }), { signal });
    trouble.append(" ", look);
  }

  function showLink(link: { path: string; pin: string }): void {
    if (!box) return;
    box.querySelector<HTMLInputElement>("[data-address]")!.value = (page.base || location.origin) + link.path;
    box.querySelector<HTMLInputElement>("[data-pin]")!.value = link.pin;
    box.hidden = false;
    box.scrollIntoView({ block: "nearest" });
    box.querySelector<HTMLButtonElement>("[data-copy]")?.focus();
    // What was done can not be done again from this page: it shows the state before.
    for (const one of root.querySelectorAll<HTMLElement>(".k-now")) one.hidden = true;
  }
  box?.addEventListener("click", (event) => {
    const target = event.target as Element;
    if (target.closest("[data-copy]")) {
      const address = box.querySelector<HTMLInputElement>("[data-address]")!;
      const copied = navigator.clipboard?.writeText(address.value) ?? Promise.reject(new Error("no clipboard"));
      copied.then(() => notice(t("cases.link.copied"))).catch(() => address.select());
    }
    if (target.closest("[data-go]")) visit(location.pathname, { action: "replace" });
  }, { signal });
});
