// Filling a questionnaire in beside a call: one key a choice, saved as one goes, resumed after a reload.
import { Refusal, ask } from "./ask";
import { island, pageOf } from "./islands";
import { hotkey } from "./keys";
import { notice } from "./notices";
import { make, mine, words } from "./survey_parts";
import type { Given, Question, Questionnaire } from "./survey_parts";
import { t } from "./texts";

interface Answer { question: string; value: Given; words: string; summary: string; seq: number; by_name: string; channel: string }
interface Part { kind: string; text: string; place: string }
interface Response {
  id: string; questionnaire: string; version: number; newer_version: number | null; state: string; rev: number; language: string;
  body: Questionnaire; path: string[]; missing: string[]; possible: string[]; answers: Answer[]; total: number | null;
  dissatisfied: boolean; opened_case_id: string | null; opened_case_number: string; why: string; summary: string;
  spoken: Record<string, Record<string, Part[]>>;
}
interface Unsent { question: string; value: Given; words: string; summary: string }

const AGAIN = 3000;

island("survey-fill", (root, signal) => {
  const id = root.dataset["response"] ?? "";
  const place = root.querySelector<HTMLElement>('[data-part="fill"]')!;
  const copy = `careline:survey:${id}`;
  let shown: Response | null = pageOf<Response>(root);
  let language = shown?.language ?? mine();
  let at = "";
  let ending: "" | "break_off" | "decline" = "";
  let saying = "";
  let trouble = "";
  // The question whose answer was refused; `trouble` says why.
  let refused = "";
  let busy = false;
  let unsent: Unsent[] = read();
  let lastDigit: { digit: string; at: number } = { digit: "", at: 0 };

  function read(): Unsent[] {
    try { return (JSON.parse(localStorage.getItem(copy) ?? "[]") as Unsent[]) ?? []; } catch { return []; }
  }
  function keep(): void {
    try {
      if (unsent.length) localStorage.setItem(copy, JSON.stringify(unsent));
      else localStorage.removeItem(copy);
    } catch { /* the page itself still has it */ }
  }

  const question = (code: string): Question | undefined => shown?.body.questions.find((one) => one.code === code);
  function answerOf(code: string): Answer | undefined {
    const known = shown?.answers.find((one) => one.question === code);
    const waiting = unsent.filter((one) => one.question === code).at(-1);
    return waiting ? { ...(known ?? { seq: 0, by_name: "", channel: "agent" }), ...waiting } : known;
  }
  const open = (): boolean => !!shown && (shown.state === "begun" || shown.state === "broken_off");
  function firstOpen(): string {
    return shown?.path.find((code) => !answerOf(code)) ?? "";
  }

  // Answers go out one after the other; what could not be sent stays on the page and in the browser.
  async function send(): Promise<void> {
    if (busy || !shown || !unsent.length) return;
    busy = true;
    while (unsent.length && !signal.aborted) {
      const one = unsent[0]!;
      saying = "";
      status();
      try {
        const next: Response = await ask<Response>(`/api/v1/responses/${id}/answers`, { body: { ...one, based_on: shown.rev }, signal });
        unsent = unsent.slice(1);
        keep();
        take(next);
        saying = t("surveys.fill.saved");
        if (!refused || refused === one.question) { trouble = ""; refused = ""; }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Refusal && error.status < 500 && error.status !== 401 && error.status !== 429) {
          unsent = unsent.slice(1);
          keep();
          // What was given since goes out all the same; another answer to this question may be among it.
          trouble = error.detail;
          refused = one.question;
          if (!unsent.some((later) => later.question === refused)) at = refused;
          await reload();
          continue;
        }
        saying = t("surveys.fill.unsaved");
        status();
        busy = false;
        window.setTimeout(() => void send(), AGAIN);
        return;
      }
    }
    busy = false;
    draw();
  }

  function take(next: Response): void {
    if (shown && next.rev < shown.rev) return;
    shown = next;
  }
  async function reload(): Promise<void> {
    try { take(await ask<Response>(`/api/v1/responses/${id}?language=${language}`, { signal })); } catch { /* what is shown stays */ }
  }

  function give(code: string, value: Given, more: Partial<Unsent> = {}): void {
    const before = answerOf(code);
    unsent.push({ question: code, value, words: before?.words ?? "", summary: before?.summary ?? "", ...more });
    keep();
    void send();
  }

  function go(step: number): void {
    if (!shown) return;
    const place = shown.path.indexOf(at);
    const next = shown.path[place + step];
    if (next) { at = next; draw(true); } else if (step > 0) { at = ""; draw(true); }
  }

  // The next question that is open, once the server has said what the path is now.
  async function choose(code: string, value: Given): Promise<void> {
    give(code, value);
    draw();
    const from = code;
    await settled();
    if (signal.aborted || at !== from || trouble) return;
    go(1);
  }
  async function settled(): Promise<void> {
    while ((busy || unsent.length) && !signal.aborted && saying !== t("surveys.fill.unsaved")) await new Promise((done) => setTimeout(done, 20));
  }

  function said(name: string, fallback: string): HTMLElement {
    const line = make("p", { class: "s-said" });
    const parts = shown?.spoken[language]?.[name];
    if (!parts) { line.textContent = fallback; return line; }
    for (const part of parts) {
      if (part.kind === "text") line.append(part.text);
      else if (part.kind === "hint") line.append(make("mark", {}, `${t("surveys.fill.hint")} ${t(`aftercall.place.${part.place.replaceAll(".", "_")}`)}`));
      else line.append(make("b", {}, part.text));
    }
    return line;
  }

  function textOf(one: Question, value: Given): string {
    if (value === null) return t("surveys.fill.skipped");
    if (one.options?.length) return one.options.filter((option) => (Array.isArray(value) ? value : [value]).includes(option.code)).map((option) => words(option.label, language)).join(language === "en" ? ", " : "、");
    if (one.kind === "score") return `${String(value)} / ${String(one.most)}`;
    return `${String(value)} ${words(one.unit, language)}`.trim();
  }

  function choices(one: Question, given: Given): HTMLElement {
    const box = make("div", { class: "s-choices", role: "group", "aria-label": words(one.text, language) });
    (one.options ?? []).forEach((option, number) => {
      const chosen = Array.isArray(given) ? given.includes(option.code) : given === option.code;
      const button = make("button", { type: "button", class: "s-choice", "aria-pressed": String(chosen), "data-choose": option.code },
        number < 9 && make("kbd", {}, String(number + 1)), make("span", {}, words(option.label, language)));
      box.append(button);
    });
    return box;
  }

  function scores(one: Question, given: Given): HTMLElement {
    const box = make("div", { class: "s-scores", role: "group", "aria-label": words(one.text, language) });
    for (let value = one.least ?? 0; value <= (one.most ?? 0); value += 1) {
      box.append(make("button", { type: "button", class: "s-score", "aria-pressed": String(given === value), "data-score": String(value) }, String(value)));
    }
    return make("div", {}, box, make("p", { class: "s-ends quiet" }, make("span", {}, words(one.least_label, language)), make("span", {}, words(one.most_label, language))));
  }

  function asks(one: Question): HTMLElement {
    const known = answerOf(one.code);
    const given = known?.value ?? null;
    const body = make("div", { class: "s-ask" }, said(`question:${one.code}`, words(one.text, language)));
    if (words(one.help, language)) body.append(make("p", { class: "quiet" }, words(one.help, language)));
    if (trouble) body.append(make("p", { class: "error", role: "alert" }, trouble));
    const name = words(one.text, language);
    if (one.kind === "choice" || one.kind === "several") body.append(choices(one, given));
    else if (one.kind === "score") body.append(scores(one, given));
    else if (one.kind === "text") body.append(make("textarea", { "data-value": true, rows: "3", maxlength: "4000", "aria-label": name }, given === null ? "" : String(given)));
    else {
      const input = make("input", { "data-value": true, type: one.kind === "date" ? "date" : "text", inputmode: one.kind === "number" ? "decimal" : undefined, autocomplete: "off", "aria-label": name });
      input.value = given === null ? "" : String(given);
      body.append(make("div", { class: "s-number" }, input, words(one.unit, language) ? make("span", { class: "quiet" }, words(one.unit, language)) : null));
    }
    const extra = make("details", { class: "s-more" }, make("summary", {}, t("surveys.fill.more")));
    extra.open = !!(known?.words || known?.summary);
    for (const field of ["words", "summary"] as const) {
      extra.append(make("label", {}, make("span", {}, t(`surveys.fill.${field}`)), make("textarea", { "data-more": field, rows: "2", maxlength: "4000" }, known?.[field] ?? "")));
    }
    body.append(extra);
    const acts = make("div", { class: "actions" }, make("button", { type: "button", class: "primary", "data-act": "next" }, t("surveys.fill.next"), " ", make("kbd", {}, "Enter")));
    if (!one.required) acts.append(make("button", { type: "button", "data-act": "skip" }, t("surveys.fill.skip")));
    body.append(acts);
    return body;
  }

  function row(code: string, number: number): HTMLElement {
    const one = question(code)!;
    const known = answerOf(code);
    const now = code === at && open();
    const must = one.required && !known ? make("span", { class: "must", title: t("surveys.fill.must"), "aria-label": t("surveys.fill.must") }, "*") : null;
    const line = make("li", { class: "s-row", "data-code": code, "data-now": now ? "yes" : undefined, "data-done": known ? "yes" : undefined });
    const head = make("button", { type: "button", class: "s-line", "data-go": code, "aria-expanded": String(now) },
      make("span", { class: "s-no" }, String(number)), make("span", { class: "s-name" }, words(one.text, language), " ", must),
      known ? make("b", { class: "s-given" }, textOf(one, known.value)) : null);
    line.append(head);
    if (now) line.append(asks(one));
    return line;
  }

  function status(): void {
    const line = place.querySelector("[data-status]");
    if (line) line.textContent = saying;
  }

  function draw(focus = false): void {
    if (!shown || signal.aborted) return;
    const typing = place.contains(document.activeElement) ? document.activeElement : null;
    // What somebody is writing is not taken from under his hands.
    if (!focus && typing instanceof HTMLElement && typing.matches("textarea, input") && !trouble) { status(); return; }
    place.replaceChildren();
    const all = shown.path.length;
    const done = shown.path.filter((code) => answerOf(code)).length;
    const tongues = make("div", { class: "s-tongues", role: "group", "aria-label": t("surveys.fill.language") });
    for (const one of ["zh-CN", "en"]) tongues.append(make("button", { type: "button", "data-tongue": one, "aria-pressed": String(one === language) }, t(`surveys.tongue.${one}`)));
    place.append(make("header", { class: "s-head" }, make("h2", {}, words(shown.body.label, language)),
      make("span", { class: "badge", "data-kind": shown.state === "finished" ? "good" : shown.state === "begun" ? "accent" : "warn" }, t(`surveys.response.${shown.state}`)),
      make("progress", { value: String(done), max: String(all || 1) }), make("span", { class: "quiet" }, t("surveys.fill.progress", { done, all })),
      make("span", { class: "quiet", "data-status": true, role: "status" }, saying), tongues));
    if (shown.opened_case_id) place.append(make("p", { class: "notice" }, make("a", { href: `/cases/${shown.opened_case_id}` }, t("surveys.fill.case", { number: shown.opened_case_number }))));
    if (shown.spoken[language]?.["opening"]) place.append(make("div", { class: "s-speak" }, said("opening", "")));
    const list = make("ol", { class: "s-list" });
    shown.path.forEach((code, number) => list.append(row(code, number + 1)));
    place.append(list);
    if (shown.spoken[language]?.["closing"] && (!at || !open())) place.append(make("div", { class: "s-speak" }, said("closing", "")));
    if (open()) place.append(foot());
    else if (shown.total !== null) place.append(make("p", { class: "quiet" }, `${t("surveys.total")} ${shown.total}`, shown.dissatisfied ? ` · ${t("surveys.fill.dissatisfied")}` : ""));
    if (focus) (place.querySelector<HTMLElement>("[data-now] [data-value]") ?? place.querySelector<HTMLElement>("[data-now] .s-line") ?? place.querySelector<HTMLElement>('[data-act="finish"]'))?.focus();
  }

  function foot(): HTMLElement {
    const box = make("div", { class: "s-foot" });
    if (trouble && !at) box.append(make("p", { class: "error", role: "alert" }, trouble));
    if (ending) {
      const field = make("input", { "data-why": true, maxlength: "1000", "aria-label": t("surveys.fill.why"), placeholder: t("surveys.fill.why_hint") });
      box.append(make("label", { class: "s-why" }, make("span", {}, t("surveys.fill.why")), field), make("div", { class: "actions" },
        make("button", { type: "button", class: "danger", "data-act": "end" }, t(`surveys.fill.${ending}`)), make("button", { type: "button", "data-act": "cancel" }, t("surveys.fill.cancel"))));
      return box;
    }
    const missing = shown!.missing.filter((code) => !answerOf(code)).length;
    if (!at) box.append(make("label", { class: "s-why" }, make("span", {}, t("surveys.fill.overall")), make("textarea", { "data-summary": true, rows: "2", maxlength: "4000" }, shown!.summary)));
    box.append(make("p", { class: "quiet" }, missing ? t("surveys.fill.missing", { count: missing }) : at ? t("surveys.fill.keys") : t("surveys.fill.all_done")));
    box.append(make("div", { class: "actions" }, make("button", { type: "button", class: missing ? "" : "primary", "data-act": "finish" }, t("surveys.fill.finish")),
      make("button", { type: "button", "data-act": "break_off" }, t("surveys.fill.break_off")), make("button", { type: "button", "data-act": "decline" }, t("surveys.fill.decline"))));
    return box;
  }

  // What stands in the open question's fields, sent if it is new.
  // What is written in a row belongs to the question of that row, wherever one has gone since.
  function gather(row = place.querySelector<HTMLElement>("[data-now]")): boolean {
    const code = row?.dataset["code"] ?? "";
    const one = question(code);
    if (!row || !one) return true;
    const known = answerOf(code);
    const field = row.querySelector<HTMLInputElement>("[data-value]");
    const value = field ? (field.value.trim() === "" ? null : field.value) : known?.value ?? null;
    const more: Partial<Unsent> = {};
    for (const area of row.querySelectorAll<HTMLTextAreaElement>("[data-more]")) more[area.dataset["more"] as "words"] = area.value.trim();
    const same = known && String(known.value ?? "") === String(value ?? "") && (known.words ?? "") === (more.words ?? "") && (known.summary ?? "") === (more.summary ?? "");
    if (same || (!known && value === null && !more.words && !more.summary)) return !!known || !one.required;
    if (value === null && one.required) {
      if (code === at) { trouble = t("surveys.fill.must"); draw(true); }
      return false;
    }
    if (code === at) trouble = "";
    give(code, value, more);
    return true;
  }

  async function next(): Promise<void> {
    const from = at;
    const one = question(at);
    if (!one) return;
    trouble = "";
    if (!gather()) { if (one.required && !answerOf(at)) { trouble = t("surveys.fill.must"); draw(true); } return; }
    if (!answerOf(at)) give(at, null);
    await settled();
    if (!signal.aborted && at === from && !trouble) go(1);
  }

  async function end(how: "finish" | "break_off" | "decline", button: HTMLButtonElement): Promise<void> {
    const why = place.querySelector<HTMLInputElement>("[data-why]")?.value.trim() ?? "";
    const summary = place.querySelector<HTMLTextAreaElement>("[data-summary]")?.value ?? "";
    if (how !== "finish" && !why) { notice(t("surveys.fill.why_needed"), { kind: "trouble" }); return; }
    if (how !== "decline") gather();
    button.disabled = true;
    await settled();
    try {
      take(await ask<Response>(`/api/v1/responses/${id}/end`, { body: { how, why, summary, based_on: how === "finish" ? shown!.rev : null }, signal }));
      at = "";
      ending = "";
      trouble = "";
      draw(true);
      root.dispatchEvent(new CustomEvent("survey:ended", { bubbles: true, detail: { id, state: shown!.state } }));
    } catch (error) {
      if (signal.aborted) return;
      trouble = error instanceof Refusal ? error.detail : t("surveys.away");
      const first = error instanceof Refusal ? (error.problem["errors"] as { field: string }[] | undefined)?.[0]?.field : undefined;
      if (first && question(first)) at = first;
      await reload();
      draw(true);
      button.disabled = false;
    }
  }

  function several(one: Question, code: string): void {
    const now = answerOf(one.code)?.value;
    const chosen = Array.isArray(now) ? [...now] : [];
    const alone = one.options?.find((option) => option.code === code)?.alone;
    const others = new Set(one.options?.filter((option) => option.alone).map((option) => option.code));
    const next = chosen.includes(code) ? chosen.filter((other) => other !== code) : alone ? [code] : [...chosen.filter((other) => !others.has(other)), code];
    if (!next.length && one.required) { draw(); return; }
    give(one.code, next.length ? next : null);
    draw();
  }
  function pick(code: string): void {
    const one = question(at);
    if (!one || !open()) return;
    if (one.kind === "several") several(one, code);
    else void choose(one.code, code);
  }

  function digit(pressed: string, event: KeyboardEvent): void {
    const one = question(at);
    if (!one || !open() || event.repeat) return;
    event.preventDefault();
    if (one.options?.length) {
      const option = one.options[Number(pressed) - 1];
      if (option) pick(option.code);
    } else if (one.kind === "score") {
      const ten = pressed === "0" && lastDigit.digit === "1" && Date.now() - lastDigit.at < 900 && (one.most ?? 0) >= 10;
      const value = ten ? 10 : Number(pressed);
      lastDigit = { digit: pressed, at: Date.now() };
      if (value < (one.least ?? 0) || value > (one.most ?? 0)) return;
      // A 1 may be the beginning of 10: it waits for its second digit.
      if (pressed === "1" && (one.most ?? 0) >= 10) window.setTimeout(() => { if (lastDigit.digit === "1" && at === one.code) void choose(one.code, 1); }, 900);
      else void choose(one.code, value);
    }
  }

  root.addEventListener("click", (event) => {
    const button = (event.target as HTMLElement).closest<HTMLButtonElement>("button");
    if (!button || !shown) return;
    const data = button.dataset;
    if (data["tongue"]) { language = data["tongue"]; draw(true); }
    else if (data["go"]) { if (at && open()) gather(); trouble = ""; at = data["go"]; draw(true); }
    else if (data["choose"]) pick(data["choose"]);
    else if (data["score"]) void choose(at, Number(data["score"]));
    else if (data["act"] === "next") void next();
    else if (data["act"] === "skip") { trouble = ""; void choose(at, null); }
    else if (data["act"] === "finish") void end("finish", button);
    else if (data["act"] === "break_off" || data["act"] === "decline") { ending = data["act"]; draw(true); place.querySelector<HTMLInputElement>("[data-why]")?.focus(); }
    else if (data["act"] === "cancel") { ending = ""; draw(true); }
    else if (data["act"] === "end" && ending) void end(ending, button);
  }, { signal });
  // What is typed is saved when the field is left, too.
  root.addEventListener("change", (event) => {
    // A browser tells it while the row is taken away, too: the page may be at another question by then.
    const field = event.target as HTMLElement;
    if (field.matches("[data-value], [data-more]")) gather(field.closest<HTMLElement>("[data-now]"));
  }, { signal });
  for (const one of "0123456789") hotkey(one, "surveys.fill.keys", (event) => digit(one, event), signal, { listed: false });
  hotkey("Enter", "surveys.fill.next", (event) => { if (at && open()) { event.preventDefault(); void next(); } }, signal);
  root.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if (event.key !== "Enter" || event.isComposing || !target.matches("[data-value], [data-more]")) return;
    if (target instanceof HTMLTextAreaElement && !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    void next();
  }, { signal });
  hotkey("Ctrl+ArrowUp", "surveys.fill.prev", (event) => { event.preventDefault(); go(-1); }, signal, { always: true });

  async function start(): Promise<void> {
    if (!shown) {
      try { shown = await ask<Response>(`/api/v1/responses/${id}`, { signal }); language = shown.language; } catch (error) {
        place.replaceChildren(make("p", { class: "notice", role: "alert" }, error instanceof Refusal ? error.detail : t("surveys.away")));
        return;
      }
    }
    if (!open()) { unsent = []; keep(); }
    at = open() ? firstOpen() : "";
    draw();
    void send();
  }
  void start();
});
