// Maintenance: a plan is tried before it is saved, the rules of reminders, and what an odometer shows.
import { visit } from "@hotwired/turbo";
import { Refusal, ask } from "./ask";
import { island, pageOf } from "./islands";
import { notice } from "./notices";
import { t } from "./texts";

type Plain = Record<string, unknown>;
interface Beside { field: string; message: string }

// Every message beside its field; what has no field stands above the buttons.
function told(root: HTMLElement, error: unknown): void {
  clear(root);
  const rest: string[] = [];
  if (error instanceof Refusal) {
    const beside = (error.problem["errors"] ?? []) as Beside[];
    for (const one of beside) {
      const path = one.field.replace(/^body\./, "");
      const place = placeOf(root, path);
      if (!place) { rest.push(one.message); continue; }
      place.classList.add("wrong");
      const line = document.createElement("p");
      line.className = "error";
      line.dataset["error"] = "";
      line.textContent = one.message;
      const cell = place instanceof HTMLTableRowElement ? place.cells[0]! : place;
      cell.append(line);
    }
    if (!beside.length || rest.length) rest.unshift(error.detail);
    else rest.push(t("maintenance.look_at_fields"));
  } else rest.push(t("maintenance.away"));
  const trouble = root.querySelector<HTMLElement>("[data-trouble]")!;
  trouble.textContent = [...new Set(rest)].join(" ");
  trouble.hidden = false;
  (root.querySelector<HTMLElement>(".wrong input, .wrong select") ?? trouble).focus();
}

function placeOf(root: HTMLElement, path: string): HTMLElement | null {
  const parts = path.split(".");
  while (parts.length) {
    const found = root.querySelector<HTMLElement>(`[data-of="${CSS.escape(parts.join("."))}"]`) ?? root.querySelector<HTMLElement>(`[data-of="kinds.${CSS.escape(parts.join("."))}"]`);
    if (found) return found;
    parts.pop();
  }
  return null;
}

function clear(root: HTMLElement): void {
  root.querySelectorAll("[data-error]").forEach((one) => one.remove());
  root.querySelectorAll(".wrong").forEach((one) => one.classList.remove("wrong"));
  const trouble = root.querySelector<HTMLElement>("[data-trouble]");
  if (trouble) trouble.hidden = true;
}

const box = (root: ParentNode, name: string): HTMLInputElement => root.querySelector<HTMLInputElement>(`[name="${name}"]`)!;
// The same value whatever the order of its keys.
const canonical = (value: unknown): string => JSON.stringify(value, (_, one: unknown) => (one && typeof one === "object" && !Array.isArray(one) ? Object.fromEntries(Object.entries(one).sort()) : one)) ?? "";
const numberOf = (input: HTMLInputElement): number | null => (input.value.trim() === "" ? null : Number(input.value));

function line(words: string): HTMLElement {
  const made = document.createElement("p");
  made.textContent = words;
  return made;
}

interface Trial { vehicles: number; looked: number; earlier: number; later: number; same: number; begins: number; ends: number; middle_days: number; contacts_before: number; contacts_after: number }
interface PlanPage { id: string; plan: Plain; fields: Record<string, string> }

island("maintenance-plan", (root, signal) => {
  const form = root as HTMLFormElement;
  const page = pageOf<PlanPage>(root);
  const save = root.querySelector<HTMLButtonElement>("[data-save]")!;
  const attempt = root.querySelector<HTMLButtonElement>("[data-try]")!;
  const retire = root.querySelector<HTMLButtonElement>("[data-retire]");
  const shown = root.querySelector<HTMLElement>("[data-trial]")!;
  let base = page.plan;
  let version = Number(page.plan["version"]);
  let tried = "";
  let busy = false;
  let once = crypto.randomUUID();

  function body(): Plain {
    return {
      version,
      name: box(root, "name").value,
      brand: box(root, "brand").value,
      model: box(root, "model").value,
      first: { months: numberOf(box(root, "first.months")), km: numberOf(box(root, "first.km")) },
      periodic: { months: numberOf(box(root, "periodic.months")), km: numberOf(box(root, "periodic.km")) },
      lead_days: numberOf(box(root, "lead_days")),
      useful_days: numberOf(box(root, "useful_days")),
      km_per_day: numberOf(box(root, "km_per_day")),
      fulfilled_by: [...root.querySelectorAll<HTMLInputElement>('[name="fulfilled_by"]:checked')].map((one) => one.value),
      items: [...root.querySelectorAll<HTMLElement>("[data-item]")].map((row) => ({
        name: row.querySelector<HTMLSelectElement>("[data-name]")!.value,
        every_months: numberOf(row.querySelector<HTMLInputElement>("[data-every]")!),
        lead_days: numberOf(row.querySelector<HTMLInputElement>("[data-lead]")!),
      })).filter((one) => one.name),
      begins_on: box(root, "begins_on").value || null,
    };
  }

  // What was tried is what is saved: a change asks for another trial.
  function look(): void {
    save.disabled = busy || tried !== JSON.stringify(body());
    attempt.disabled = busy;
    if (retire) retire.disabled = busy;
    save.classList.toggle("primary", !save.disabled);
    attempt.classList.toggle("primary", save.disabled);
  }
  root.addEventListener("input", () => { shown.toggleAttribute("data-stale", tried !== "" && tried !== JSON.stringify(body())); look(); }, { signal });
  look();

  async function alone(work: () => Promise<void>): Promise<void> {
    if (busy) return;
    busy = true;
    look();
    try { await work(); } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refusal && error.errorId === "plan-changed") await compare().catch(() => told(root, error));
      else told(root, error);
    } finally { busy = false; if (!signal.aborted) look(); }
  }

  attempt.addEventListener("click", () => alone(async () => {
    const asked = body();
    const found = await ask<Trial>("/api/v1/maintenance-trials", { body: { ...asked, plan_id: page.id }, signal });
    if (signal.aborted) return;
    clear(root);
    tried = JSON.stringify(asked);
    shown.removeAttribute("data-stale");
    const about = found.looked < found.vehicles ? t("maintenance.trial.sample", { looked: found.looked, count: found.vehicles }) : t("maintenance.trial.vehicles", { count: found.vehicles });
    const moved = found.earlier + found.later;
    shown.replaceChildren(
      line(about),
      line(moved ? t("maintenance.trial.moved", { count: moved, earlier: found.earlier, later: found.later }) : t("maintenance.trial.none_moved")),
      ...(moved ? [line(t(found.middle_days < 0 ? "maintenance.trial.middle_earlier" : "maintenance.trial.middle_later", { days: Math.abs(found.middle_days) }))] : []),
      ...(found.begins || found.ends ? [line(t("maintenance.trial.begins_ends", { begins: found.begins, ends: found.ends }))] : []),
      line(t("maintenance.trial.contacts", { after: found.contacts_after, before: found.contacts_before })),
    );
  }), { signal });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void alone(async () => {
      const asked = body();
      if (JSON.stringify(asked) !== tried) return;
      const saved = page.id
        ? await ask<{ id: string }>(`/api/v1/maintenance-plans/${page.id}`, { body: asked, signal })
        : await ask<{ id: string }>("/api/v1/maintenance-plans", { body: asked, once, signal });
      if (signal.aborted) return;
      notice(t("maintenance.saved"));
      visit(`/maintenance/plans/${saved.id}`, { action: "replace" });
    }).then(() => { once = crypto.randomUUID(); });
  }, { signal });

  retire?.addEventListener("click", () => {
    if (!window.confirm(t("maintenance.retire_ask"))) return;
    void alone(async () => {
      await ask(`/api/v1/maintenance-plans/${page.id}/retire`, { body: { version }, signal });
      if (signal.aborted) return;
      notice(t("maintenance.retire_done"));
      visit("/maintenance", { action: "replace" });
    });
  }, { signal });

  // Somebody saved first: what that changed is shown, what was typed stays, and saving again is a choice.
  async function compare(): Promise<void> {
    const { items } = await ask<{ items: Plain[] }>(`/api/v1/maintenance-plans/${page.id}`, { signal });
    if (signal.aborted) return;
    const newest = items[0]!;
    const list = document.createElement("ul");
    for (const [name, label] of Object.entries(page.fields)) {
      if (canonical(base[name]) === canonical(newest[name])) continue;
      const row = document.createElement("li");
      row.textContent = t("maintenance.was_is", { name: label, was: said(base[name]), is: said(newest[name]) });
      list.append(row);
    }
    const place = root.querySelector<HTMLElement>("[data-changed]")!;
    const retired = Boolean(newest["retired_at"]);
    place.replaceChildren(line(t(retired ? "maintenance.retired_by" : "maintenance.changed_by", { name: String(newest["updated_by_name"]) })), list, line(t(retired ? "maintenance.typed_here" : "maintenance.save_over")));
    place.hidden = false;
    place.tabIndex = -1;
    place.focus();
    clear(root);
    if (!newest["retired_at"]) { version = Number(newest["version"]); base = newest; }
    tried = "";
    shown.setAttribute("data-stale", "");
  }

  function said(value: unknown): string {
    if (value === null || value === undefined || value === "") return "—";
    if (Array.isArray(value)) return value.map((one) => (typeof one === "object" ? said(one) : (t(`records.visit_kind.${String(one)}`)))).join(", ") || "—";
    if (typeof value === "object") {
      const one = value as { months?: number | null; km?: number | null; name?: string; every_months?: number };
      if (one.name) return `${t(`maintenance.item.${one.name}`)} (${t("maintenance.months", { count: one.every_months ?? 0 })})`;
      return [one.months ? t("maintenance.months", { count: one.months }) : "", one.km ? t("maintenance.km", { count: one.km.toLocaleString() }) : ""].filter(Boolean).join(t("maintenance.or"));
    }
    return String(value);
  }
});

interface RulesPage { version: number; kinds: Record<string, Plain>; class_days: Record<string, number> }

island("contact-rules", (root, signal) => {
  const form = root as HTMLFormElement;
  const page = pageOf<RulesPage>(root);
  let version = page.version;
  let busy = false;

  function body(): Plain {
    const kinds: Record<string, Plain> = {};
    for (const row of root.querySelectorAll<HTMLElement>("[data-kind]")) {
      const kind = { ...page.kinds[row.dataset["kind"]!] };
      for (const input of row.querySelectorAll<HTMLInputElement>("[data-name]")) {
        const name = input.dataset["name"]!;
        kind[name] = input.type === "checkbox" ? input.checked : input.type === "number" ? numberOf(input) : input.value.trim() || null;
      }
      kinds[row.dataset["kind"]!] = kind;
    }
    const [hours, minutes] = box(root, "at_minute").value.split(":");
    const class_days: Record<string, number | null> = {};
    for (const input of root.querySelectorAll<HTMLInputElement>("[data-grade]")) class_days[input.dataset["grade"]!] = numberOf(input);
    const numbers = Object.fromEntries(["tries", "days_between", "looks_back_days", "key_account_days"].map((name) => [name, numberOf(box(root, name))]));
    return { version, kinds, at_minute: hours ? Number(hours) * 60 + Number(minutes) : null, department: box(root, "department").value || null, class_days, ...numbers };
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    const button = form.querySelector<HTMLButtonElement>('[type="submit"]')!;
    button.disabled = true;
    ask("/api/v1/contact-rules", { body: body(), signal }).then(() => {
      if (signal.aborted) return;
      notice(t("maintenance.rules_saved"));
      visit(location.pathname, { action: "replace" });
    }).catch(async (error: unknown) => {
      if (signal.aborted) return;
      told(root, error);
      if (!(error instanceof Refusal) || error.errorId !== "contact-changed") return;
      // The other's change is on the page of history; what was typed stays, and may be saved over it.
      const now = await ask<RulesPage & Plain>("/api/v1/contact-rules", { signal });
      if (signal.aborted) return;
      const list = document.createElement("ul");
      const old = page as RulesPage & Plain;
      const differs = (label: string, was: unknown, is: unknown): void => {
        if (JSON.stringify(was) === JSON.stringify(is)) return;
        const row = document.createElement("li");
        row.textContent = t("maintenance.was_is", { name: label, was: String(was ?? "—"), is: String(is ?? "—") });
        list.append(row);
      };
      for (const [kind, rule] of Object.entries(now.kinds)) for (const [name, worth] of Object.entries(rule)) differs(`${t(`contacts.kind.${kind}`)} · ${t(`maintenance.rule.${name}`)}`, page.kinds[kind]?.[name], worth);
      for (const name of ["at_minute", "tries", "days_between", "looks_back_days", "department", "key_account_days"]) differs(t(`maintenance.rule.${name}`), old[name], now[name]);
      for (const [grade, days] of Object.entries(now.class_days)) differs(t("records.class_of", { grade }), page.class_days[grade], days);
      const place = root.querySelector<HTMLElement>("[data-changed]")!;
      place.replaceChildren(line(t("maintenance.rules_changed")), list, line(t("maintenance.save_over_rules")));
      place.hidden = false;
      version = now.version;
    }).catch((error: unknown) => { if (!signal.aborted) told(root, error); }).finally(() => { busy = false; button.disabled = false; });
  }, { signal });
});

island("vehicle-reading", (root, signal) => {
  const form = root.querySelector<HTMLFormElement>("form");
  if (!form) return;
  let busy = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    const button = form.querySelector<HTMLButtonElement>('[type="submit"]')!;
    button.disabled = true;
    ask(`/api/v1/vehicles/${root.dataset["vehicle"]}/readings`, { body: { km: numberOf(box(form, "km")), read_on: box(form, "read_on").value }, signal }).then(() => {
      if (signal.aborted) return;
      notice(t("maintenance.reading_kept"));
      visit(location.pathname, { action: "replace" });
    }).catch((error: unknown) => { if (!signal.aborted) told(root, error); }).finally(() => { busy = false; button.disabled = false; });
  }, { signal });
});
