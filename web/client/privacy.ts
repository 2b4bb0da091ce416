// Forms that speak to the API: people, one's own account, approvals, people's requests. What was typed stays when the
// service says no; what is shown only once (a password, recovery codes) stays on the page until one leaves it.
import { visit } from "@hotwired/turbo";
import { moment } from "./aftercall/shapes";
import { ask, Refusal } from "./ask";
import { island } from "./islands";
import { notice } from "./notices";
import { t } from "./texts";

interface Shown { password?: string | null; recovery_codes?: string[]; user?: unknown; secret?: string }

function valueOf(field: HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement | HTMLButtonElement): unknown {
  const text = field.value.trim();
  if (field.dataset["as"] === "number") return Number(text);
  if (field.dataset["as"] === "flag") return text === "true";
  if (field.dataset["as"] === "checked") return field instanceof HTMLInputElement && field.checked;
  if (field.dataset["as"] === "moment-or-none" && text === "") return null;
  if (field.dataset["as"] === "optional" && text === "") return null;
  if (field.dataset["as"]?.startsWith("moment")) return moment(text.replace(" ", "T")) ?? text;
  if (field.dataset["as"] === "list") return text === "" ? [] : [text];
  return field.type === "password" ? field.value : text;
}

function bodyOf(form: HTMLFormElement, button: HTMLElement | null): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const field of form.elements) {
    const plain = field instanceof HTMLInputElement || field instanceof HTMLSelectElement || field instanceof HTMLTextAreaElement;
    if (!plain || !field.name || field.closest("[hidden]")?.matches("[data-for]")) continue;
    // "rules.lines" is `lines` within `rules`.
    const path = field.name.split(".");
    const last = path.pop() as string;
    let place = body;
    for (const part of path) place = (place[part] ??= {}) as Record<string, unknown>;
    if (field.dataset["as"] !== "many") { place[last] = valueOf(field); continue; }
    const all = (place[last] ??= []) as unknown[];
    if (!(field instanceof HTMLInputElement) || field.type !== "checkbox" || field.checked) all.push(field.value);
  }
  if (button instanceof HTMLButtonElement && button.name) body[button.name] = valueOf(button);
  return body;
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Refusal)) return t("privacy.error.away");
  const beside = (error.problem["errors"] ?? []) as { message: string }[];
  return [error.detail, ...beside.map((one) => one.message)].filter((one, at, all) => all.indexOf(one) === at).join(" ");
}

function show(form: HTMLFormElement, shown: Shown): boolean {
  const place = form.parentElement?.querySelector<HTMLElement>("[data-once]");
  const words = shown.recovery_codes ?? (shown.password ? [shown.password] : shown.secret && typeof shown.user === "string" ? [shown.user, shown.secret] : []);
  if (!place || words.length === 0) return false;
  const list = place.querySelector("ul");
  list?.replaceChildren(...words.map((word) => Object.assign(document.createElement("li"), { textContent: word })));
  place.hidden = false;
  place.querySelector<HTMLElement>("button")?.focus();
  form.reset();
  return true;
}

// The page again, or the one that `data-next` names ({id} is the answer's).
function onwards(form: HTMLElement, answer: unknown): void {
  const id = String((answer as { id?: string } | undefined)?.id ?? "");
  const next = (form.dataset["next"] ?? location.pathname + location.search).replace("{id}", id);
  visit(next, { action: "replace" });
}

island("api-forms", (root, signal) => {
  root.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.dataset["api"]) return;
    event.preventDefault();
    const button = (event as SubmitEvent).submitter;
    const question = button?.dataset["ask"] ?? form.dataset["ask"];
    if (question && !confirm(question)) return;
    void send(form, button);
  }, { signal });
  root.addEventListener("click", (event) => {
    const button = event.target;
    if (!(button instanceof HTMLButtonElement) || button.dataset["copy"] === undefined) return;
    const words = [...(button.closest("[data-once]")?.querySelectorAll("li") ?? [])].map((line) => line.textContent);
    void navigator.clipboard.writeText(words.join("\n")).then(() => notice(t("privacy.copied")));
  }, { signal });
});

async function send(form: HTMLFormElement, button: HTMLElement | null): Promise<void> {
  const trouble = form.querySelector<HTMLElement>("[data-trouble]");
  const buttons = [...form.querySelectorAll("button")];
  for (const one of buttons) one.disabled = true;
  if (trouble) trouble.hidden = true;
  try {
    const method = form.dataset["method"] === "PATCH" ? "PATCH" : "POST";
    const way = button?.dataset["api"] ? button : form; // a second button may lead elsewhere with the same words
    const answer = await ask<Shown>(way.dataset["api"] ?? "", { method, body: bodyOf(form, button) });
    notice(t(way.dataset["done"] ?? "privacy.done"));
    if (!show(form, answer)) onwards(way, answer);
  } catch (error) {
    if (!trouble) { notice(wordsOf(error), { kind: "trouble" }); return; }
    trouble.textContent = wordsOf(error);
    trouble.hidden = false;
  } finally {
    for (const one of buttons) one.disabled = false;
  }
}
