// The fields of a registration: made from the form's definition, read back as one text body.
import { dayText } from "../days";
import { t } from "../texts";
import { type Body, type Form, type FormField, type Leaf, type Panel, leaves, make, said, weight } from "./shapes";

function field(name: string, label: string, control: HTMLElement, must: boolean, hint = ""): HTMLElement {
  control.id = `ac-${name.replace(".", "-")}`;
  control.setAttribute("name", name);
  const made = make("div", { class: "field", "data-field": name },
    make("label", { for: control.id }, label, ...(must ? [" ", make("span", { class: "must", "aria-hidden": "true" }, "*")] : [])));
  control.setAttribute("aria-describedby", `${control.id}-e`);
  made.append(control, make("p", { class: "hint", "data-hint": "" }, hint), make("p", { class: "error", id: `${control.id}-e`, hidden: "" }));
  if (!hint) made.querySelector<HTMLElement>("[data-hint]")!.hidden = true;
  return made;
}

function select(options: Leaf[], chosen: string, none: string): HTMLSelectElement {
  const made = make("select", {}, make("option", { value: "" }, none));
  let group: HTMLElement = made;
  let named = "";
  for (const one of options) {
    if (one.group !== named) {
      named = one.group;
      group = named ? make("optgroup", { label: named }) : made;
      if (named) made.append(group);
    }
    group.append(make("option", { value: one.code }, one.words));
  }
  made.value = chosen;
  if (made.value !== chosen) made.value = "";
  return made;
}

function plain(pairs: [string, string][], chosen: string, none: string): HTMLSelectElement {
  return select(pairs.map(([code, words]) => ({ code, words, group: "", flags: [], least: 0 })), chosen, none);
}

function area(value: string, rows: number): HTMLTextAreaElement {
  const made = make("textarea", { rows: String(rows), maxlength: "4000", autocomplete: "off" });
  made.value = value;
  return made;
}

function own(asked: FormField, value: string | number | boolean | undefined): HTMLElement {
  const label = said(asked.label) + (asked.unit ? ` (${said(asked.unit)})` : "");
  const text = value === undefined ? "" : String(value);
  let control: HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;
  if (asked.kind === "choice") control = plain(asked.options.map((one) => [one.code, said(one.label)]), text, t("aftercall.choose"));
  else if (asked.kind === "yes_no") control = plain([["true", t("aftercall.yes")], ["false", t("aftercall.no")]], text, t("aftercall.choose"));
  else if (asked.kind === "text") control = area(text, 2);
  else {
    control = make("input", { type: asked.kind === "date" ? "date" : "text", autocomplete: "off", ...(asked.kind === "number" ? { inputmode: "numeric" } : { maxlength: "200" }) });
    control.setAttribute("value", text); // a date field has no other place for a text that is no day
  }
  control.dataset["kind"] = asked.kind;
  return field(`fields.${asked.code}`, label, control, asked.required);
}

// Draws the fields of `body`'s call type into `root`.
export function drawFields(root: HTMLElement, panel: Panel, body: Body, extended: boolean): void {
  const form = formOf(panel, body.call_type);
  if (!form) { root.replaceChildren(); return; }
  const results = leaves(panel.sets[form.dispositions]?.dispositions ?? []);
  const chosen = results.find((one) => one.code === body.disposition);
  const parts: HTMLElement[] = [
    field("call_type", t("aftercall.field.call_type"), plain(panel.forms.map((one) => [one.call_type, said(one.label)]), form.call_type, t("aftercall.choose")), true),
    field("reason", t("aftercall.field.reason"), select(leaves(form.reasons), body.reason, t("aftercall.choose")), true),
    field("customer_words", t("aftercall.field.customer_words"), area(body.customer_words, 2), form.customer_words === "required", t("aftercall.field.customer_words_hint")),
    ...form.fields.map((one) => own(one, body.fields[one.code])),
    field("disposition", t("aftercall.field.disposition"), select(results, body.disposition, t("aftercall.choose")), true),
  ];
  if (chosen?.flags.includes("callback")) {
    const at = make("input", { type: "datetime-local" });
    at.setAttribute("value", body.callback_at);
    parts.push(field("callback_at", t("aftercall.field.callback_at"), at, true));
  }
  if (chosen?.flags.includes("do_not_call")) parts.push(make("p", { class: "notice warn", role: "note" }, t("aftercall.do_not_call")));
  parts.push(field("summary", t("aftercall.field.summary"), area(body.summary, 3), (chosen?.least ?? 0) > 0, least(chosen, body.summary)));
  parts.push(field("next_step", t("aftercall.field.next_step"), plain(form.next_steps.map((one) => [one.code, said(one.label)]), body.next_step, t("aftercall.none")), false));
  const step = form.next_steps.find((one) => one.code === body.next_step);
  if (step) {
    const note = make("input", { type: "text", maxlength: "200", autocomplete: "off" });
    note.value = body.next_note;
    parts.push(
      field("next_note", t("aftercall.field.next_note"), note, step.note_required),
      field("next_department", t("aftercall.field.next_department"), plain(Object.entries(panel.departments).map(([code, label]) => [code, said(label)]), body.next_department || step.department, t("aftercall.myself")), false),
      field("next_person", t("aftercall.field.next_person"), plain(Object.entries(panel.people), body.next_person, t("aftercall.anybody")), false),
    );
  }
  if (extended) {
    const why = make("input", { type: "text", maxlength: "200", autocomplete: "off" });
    parts.push(field("why", t("aftercall.field.why"), why, true));
  }
  root.replaceChildren(...parts);
}

export function least(chosen: Leaf | undefined, summary: string): string {
  if (!chosen?.least) return "";
  const left = chosen.least - weight(summary);
  return left > 0 ? t("aftercall.summary_left", { count: left }) : t("aftercall.summary_enough");
}

export function formOf(panel: Panel, callType: string): Form | undefined {
  return panel.forms.find((one) => one.call_type === callType) ?? panel.forms[0];
}

// What the fields hold now, on top of what is not shown.
export function readFields(root: HTMLElement, before: Body): Body {
  const body: Body = { ...before, fields: { ...before.fields } };
  for (const control of root.querySelectorAll<HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement>("[name]")) {
    const name = control.name;
    if (name === "why") continue;
    if (!name.startsWith("fields.")) {
      (body as unknown as Record<string, unknown>)[name] = name === "callback_at" ? dayText(control.value, true) ?? control.value : control.value;
      continue;
    }
    const code = name.slice("fields.".length);
    const value = control.value.trim();
    if (!value) delete body.fields[code];
    else if (control.dataset["kind"] === "number") body.fields[code] = /^-?\d{1,15}$/.test(value.replaceAll(",", "")) ? Number(value.replaceAll(",", "")) : value;
    else if (control.dataset["kind"] === "yes_no") body.fields[code] = value === "true";
    else if (control.dataset["kind"] === "date") body.fields[code] = dayText(value, false) ?? control.value;
    else body.fields[code] = control.value;
  }
  return body;
}

// What is filed: only the fields of this form.
export function filing(panel: Panel, body: Body): Body {
  const known = new Set(formOf(panel, body.call_type)?.fields.map((one) => one.code));
  return { ...body, fields: Object.fromEntries(Object.entries(body.fields).filter(([code]) => known.has(code))) };
}

// Marks what is missing; gives the first one the keyboard.
export function markFaults(root: HTMLElement, faults: { field: string; message: string }[], focus: boolean): void {
  for (const one of root.querySelectorAll<HTMLElement>(".field")) {
    one.classList.remove("wrong");
    const error = one.querySelector<HTMLElement>(".error");
    if (error) error.hidden = true;
    one.querySelector("[name]")?.removeAttribute("aria-invalid");
  }
  let first: HTMLElement | null = null;
  for (const fault of faults) {
    const place = root.querySelector<HTMLElement>(`[data-field="${CSS.escape(fault.field)}"]`);
    if (!place) continue;
    place.classList.add("wrong");
    const error = place.querySelector<HTMLElement>(".error");
    if (error) { error.textContent = fault.message; error.hidden = false; }
    const control = place.querySelector<HTMLElement>("[name]");
    control?.setAttribute("aria-invalid", "true");
    first ??= control;
  }
  if (focus) first?.focus();
}
