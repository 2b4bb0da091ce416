// The editor of questionnaires: questions by mouse and keyboard, tried out beside; drafts are saved as one writes.
import { visit } from "@hotwired/turbo";
import { Refusal, ask } from "./ask";
import { island, pageOf } from "./islands";
import { hotkey } from "./keys";
import { notice } from "./notices";
import { caseWords, compared } from "./survey_compare";
import { make, mine, words } from "./survey_parts";
import type { Departments } from "./survey_compare";
import type { CaseRule, Condition, Given, Question, Questionnaire, Saying, When } from "./survey_parts";
import { t } from "./texts";

interface Fault { place: string; message: string }
interface Version { code: string; version: number; revision: number; body: Questionnaire; faults: Fault[]; by_name: string }
interface Page { version: Version; compare: Version | null; editable: boolean; kinds: string[]; channels: string[]; purposes: string[]; places: string[]; departments: Departments }
interface Played { path: string[]; next: string | null; ended_by: string | null; total: number | null; dissatisfied: string[]; case: CaseRule | null; spoken: Record<string, Record<string, string>>; faults: Fault[] }
interface Copy { body: Questionnaire; revision: number }

const PAUSE = 700;
const AGAIN = 4000;

island("survey-new", (root, signal) => {
  root.addEventListener("submit", async (event) => {
    event.preventDefault();
    const value = (name: string): string => root.querySelector<HTMLInputElement>(`[name="${name}"]`)!.value.trim();
    const trouble = root.querySelector<HTMLElement>("[data-trouble]")!;
    const button = root.querySelector<HTMLButtonElement>("button.primary")!;
    const code = value("code");
    button.disabled = true;
    try {
      const body = { code, label: { "zh-CN": value("zh"), en: value("en") }, purpose: value("purpose"), questions: [fresh([])] };
      await ask(`/api/v1/questionnaires/${encodeURIComponent(code || "-")}/drafts?language=${mine()}`, { body: { body }, signal });
      visit(`/surveys/questionnaires/${code}`);
    } catch (error) {
      trouble.textContent = error instanceof Refusal ? error.detail : t("surveys.away");
      trouble.hidden = false;
      button.disabled = false;
    }
  }, { signal });
});

function fresh(others: Question[]): Question {
  let number = others.length + 1;
  while (others.some((one) => one.code === `q${number}`)) number += 1;
  return { code: `q${number}`, kind: "score", text: {}, required: true, least: 1, most: 5, weight: 1 };
}

island("survey-editor", (root, signal) => {
  const page = pageOf<Page>(root);
  const { code, version } = page.version;
  const part = (name: string): HTMLElement | null => root.querySelector<HTMLElement>(`[data-part="${name}"]`);
  const key = `careline:questionnaire:${code}:${version}`;
  let body: Questionnaire = structuredClone(page.version.body);
  body.questions ??= [];
  let revision = page.version.revision;
  let faults = page.version.faults;
  let opened = page.editable ? 0 : -1;
  let values: Record<string, Given> = {};
  let played: Played | null = null;
  let timer = 0;
  let saving: Promise<void> | null = null;
  let dirty = false;
  let playing = 0;
  const editable = page.editable;

  // -- saving ------------------------------------------------------------------------------------
  const saved = root.querySelector<HTMLElement>("[data-saved]")!;
  const trouble = root.querySelector<HTMLElement>("[data-trouble]")!;
  const theirs = root.querySelector<HTMLElement>("[data-theirs]")!;
  function told(error: unknown): void {
    trouble.textContent = error instanceof Refusal ? error.detail : t("surveys.away");
    trouble.hidden = false;
    trouble.scrollIntoView({ block: "nearest" });
  }
  function keep(): void {
    try { localStorage.setItem(key, JSON.stringify({ body, revision } satisfies Copy)); } catch { /* the page has it */ }
  }
  function changed(draw = false): void {
    if (!editable) return;
    dirty = true;
    saved.textContent = t("surveys.unsaved");
    keep();
    clearTimeout(timer);
    timer = window.setTimeout(() => void save(), PAUSE);
    if (draw) drawQuestions();
    void play();
  }
  async function save(): Promise<void> {
    if (!editable || !dirty) return;
    if (saving) { await saving; if (dirty) return save(); return; }
    dirty = false;
    saved.textContent = t("surveys.saving");
    const sent = structuredClone(body);
    saving = (async () => {
      try {
        const made = await ask<Version>(`/api/v1/questionnaires/${code}/versions/${version}?language=${mine()}`, { body: { body: sent, revision }, signal });
        revision = made.revision;
        faults = made.faults;
        trouble.hidden = true;
        if (!dirty) { saved.textContent = t("surveys.saved"); try { localStorage.removeItem(key); } catch { /* nothing kept */ } }
        else keep();
        drawFaults();
      } catch (error) {
        if (signal.aborted) return;
        dirty = true;
        if (error instanceof Refusal && error.errorId === "questionnaire-changed") conflict(error);
        else if (error instanceof Refusal && error.status < 500) told(error);
        else { saved.textContent = t("surveys.kept_here"); timer = window.setTimeout(() => void save(), AGAIN); }
      }
    })();
    await saving;
    saving = null;
  }
  function conflict(error: Refusal): void {
    clearTimeout(timer);
    saved.textContent = t("surveys.unsaved");
    const newest = Number(error.problem["version"]);
    theirs.replaceChildren(make("p", {}, t("surveys.theirs", { name: String(error.problem["holder"] ?? "") })), make("div", { class: "actions" },
      make("button", { type: "button", "data-their": "take" }, t("surveys.take_theirs")), make("button", { type: "button", "data-their": "keep" }, t("surveys.keep_mine"))));
    theirs.hidden = false;
    theirs.onclick = (event) => {
      const choice = (event.target as HTMLElement).dataset["their"];
      if (!choice) return;
      theirs.hidden = true;
      if (choice === "keep") { revision = newest; dirty = true; void save(); return; }
      try { localStorage.removeItem(key); } catch { /* nothing kept */ }
      visit(location.href, { action: "replace" });
    };
  }
  function restore(): void {
    if (!editable) return;
    try {
      const copy = JSON.parse(localStorage.getItem(key) ?? "null") as Copy | null;
      if (!copy || JSON.stringify(copy.body) === JSON.stringify(body)) return;
      body = copy.body;
      revision = copy.revision; // an older one: the service says whose text is newer
      dirty = true;
      timer = window.setTimeout(() => void save(), PAUSE);
    } catch { /* nothing to restore */ }
  }

  // -- pieces ------------------------------------------------------------------------------------
  function input(value: string, set: (text: string) => void, more: Record<string, string> = {}): HTMLInputElement {
    const made = make("input", { autocomplete: "off", maxlength: "300", ...more });
    made.value = value;
    made.disabled = !editable;
    made.addEventListener("input", () => { set(made.value); changed(); });
    return made;
  }
  function labelled(name: string, field: HTMLElement): HTMLElement {
    return make("label", {}, make("span", {}, name), field);
  }
  function pair(name: string, said: Saying, set: (said: Saying) => void, long = false): HTMLElement {
    const box = make("div", { class: "s-pair" });
    for (const tongue of ["zh-CN", "en"] as const) {
      const write = (text: string): void => { const next = { ...said }; if (text.trim()) next[tongue] = text; else delete next[tongue]; said = next; set(next); };
      let field: HTMLElement;
      if (long) {
        const area = make("textarea", { rows: "2", maxlength: "1000" }, said[tongue] ?? "");
        area.disabled = !editable;
        area.addEventListener("input", () => { write(area.value); changed(); });
        field = area;
      } else field = input(said[tongue] ?? "", write);
      box.append(labelled(`${name} · ${t(tongue === "en" ? "surveys.lang.en" : "surveys.lang.zh")}`, field));
    }
    return box;
  }
  function number(value: number | null | undefined, set: (value: number | null) => void): HTMLInputElement {
    return input(value === null || value === undefined ? "" : String(value), (text) => set(text.trim() === "" || Number.isNaN(Number(text)) ? null : Number(text)), { inputmode: "decimal", maxlength: "9" });
  }
  function check(name: string, value: boolean, set: (on: boolean) => void, draw = false): HTMLElement {
    const box = make("input", { type: "checkbox" });
    box.checked = value;
    box.disabled = !editable;
    box.addEventListener("change", () => { set(box.checked); changed(draw); });
    return make("label", { class: "s-check" }, box, name);
  }
  function select(options: [string, string][], value: string, set: (value: string) => void, draw = true, name = ""): HTMLSelectElement {
    const made = make("select", {}, ...options.map(([worth, name]) => make("option", { value: worth, selected: worth === value }, name)));
    made.disabled = !editable;
    if (name) made.ariaLabel = name;
    made.addEventListener("change", () => { set(made.value); changed(draw); });
    return made;
  }
  function caseRule(rule: CaseRule | null | undefined, none: string, set: (rule: CaseRule | null) => void): HTMLElement {
    const box = make("div", { class: "s-four" });
    box.append(labelled(t("surveys.case"), select([["", none], ...["grumble", "complaint", "suggestion", "inquiry"].map((one): [string, string] => [one, t(`surveys.case.kind.${one}`)])], rule?.kind ?? "",
      (kind) => { set(kind ? { kind, grade: rule?.grade ?? "ordinary", department: rule?.department ?? "" } : null); drawAll(); })));
    if (rule) {
      box.append(labelled(t("surveys.case.grade"), select(["ordinary", "escalated", "major"].map((one): [string, string] => [one, t(`surveys.case.grade.${one}`)]), rule.grade, (grade) => { rule.grade = grade; }, false)));
      const known = [...new Set(["", ...Object.keys(page.departments), rule.department])];
      box.append(labelled(t("surveys.department"), select(known.map((one): [string, string] => [one, one ? words(page.departments[one], mine()) || one : t("surveys.department.none")]), rule.department, (department) => { rule.department = department; }, false)));
    }
    return box;
  }
  function nameOf(one: Question): string {
    return words(one.text, mine()) || t("surveys.untitled");
  }

  function when(name: string, always: string, value: When | null | undefined, about: Question[], set: (when: When | null) => void): HTMLElement {
    const box = make("fieldset", { class: "s-when" }, make("legend", {}, name));
    const mode = select([["", always], ["if", t("surveys.if")]], value ? "if" : "", (chosen) => {
      const first = about[0];
      set(chosen && first ? { match: "all", conditions: [condition(first)] } : null);
    });
    mode.disabled = !editable || !about.length;
    mode.ariaLabel = name;
    box.append(mode);
    if (!value) return box;
    if (value.conditions.length > 1) box.append(select([["all", t("surveys.match.all")], ["any", t("surveys.match.any")]], value.match ?? "all", (match) => { value.match = match as "all"; }, false, name));
    value.conditions.forEach((one, place) => box.append(conditionRow(one, place, value, about, set)));
    if (editable) {
      const add = make("button", { type: "button" }, t("surveys.add_condition"));
      add.addEventListener("click", () => { if (about[0]) value.conditions.push(condition(about[0])); changed(true); });
      box.append(make("div", { class: "actions" }, add));
    }
    return box;
  }
  function condition(about: Question): Condition {
    if (about.options?.length) return { question: about.code, op: "one_of", options: [about.options[0]!.code] };
    if (about.kind === "score" || about.kind === "number") return { question: about.code, op: "at_most", value: about.least ?? 0 };
    return { question: about.code, op: "answered" };
  }
  function conditionRow(one: Condition, place: number, value: When, about: Question[], set: (when: When | null) => void): HTMLElement {
    const asked = body.questions.find((other) => other.code === one.question);
    const row = make("div", { class: "s-cond" });
    row.append(select(about.map((other): [string, string] => [other.code, `${body.questions.indexOf(other) + 1}. ${nameOf(other)}`]), one.question, (chosen) => {
      const next = body.questions.find((other) => other.code === chosen);
      if (next) value.conditions[place] = condition(next);
    }, true, t("surveys.questions")));
    const ops = asked?.options?.length ? ["one_of", "none_of", "answered"] : asked && ["score", "number"].includes(asked.kind) ? ["at_most", "at_least", "answered"] : ["answered"];
    row.append(select(ops.map((op): [string, string] => [op, t(`surveys.op.${op}`)]), one.op, (op) => {
      value.conditions[place] = { question: one.question, op, ...(op.endsWith("_of") ? { options: one.options?.length ? one.options : [asked!.options![0]!.code] } : {}), ...(op.startsWith("at_") ? { value: one.value ?? asked?.least ?? 0 } : {}) };
    }, true, t("surveys.if")));
    if (one.op.endsWith("_of")) {
      const box = make("div", { class: "s-checks" });
      for (const option of asked?.options ?? []) box.append(check(words(option.label, mine()) || option.code, !!one.options?.includes(option.code), (on) => {
        const next = on ? [...(one.options ?? []), option.code] : (one.options ?? []).filter((other) => other !== option.code);
        one.options = asked!.options!.map((other) => other.code).filter((other) => next.includes(other));
      }));
      row.append(box);
    } else if (one.op.startsWith("at_")) {
      const worth = number(one.value, (given) => { one.value = given ?? 0; });
      worth.ariaLabel = t(`surveys.op.${one.op}`);
      row.append(worth);
    }
    else row.append(make("span"));
    if (editable) {
      const gone = make("button", { type: "button", class: "s-icon", "aria-label": t("surveys.remove"), title: t("surveys.remove") }, "×");
      gone.addEventListener("click", () => { value.conditions.splice(place, 1); if (!value.conditions.length) set(null); changed(true); });
      row.append(gone);
    }
    return row;
  }

  // -- questions ---------------------------------------------------------------------------------
  function kindOf(one: Question, kind: string): void {
    one.kind = kind;
    const chosen = kind === "choice" || kind === "several";
    if (chosen) one.options ??= [{ code: "a1", label: {} }, { code: "a2", label: {} }];
    else delete one.options;
    if (chosen && !one.options?.length) one.options = [{ code: "a1", label: {} }, { code: "a2", label: {} }];
    if (kind === "score") { one.least = 1; one.most = 5; } else { delete one.least; delete one.most; one.least_label = {}; one.most_label = {}; }
    if (kind !== "score") one.nps = false;
    if (kind !== "number") { one.odometer = false; one.unit = {}; one.decimals = 0; }
    if (kind !== "score" && kind !== "number") one.dissatisfied_below = null;
    if (kind === "text" || kind === "date" || kind === "number") one.weight = 0; else one.weight ||= 1;
  }
  function options(one: Question): HTMLElement {
    const box = make("div", { class: "stack" });
    (one.options ?? []).forEach((option, place) => {
      const row = make("div", { class: "s-option" });
      for (const tongue of ["zh-CN", "en"] as const) row.append(input(option.label[tongue] ?? "", (text) => { if (text.trim()) option.label[tongue] = text; else delete option.label[tongue]; }, { "aria-label": t(tongue === "en" ? "surveys.option_en" : "surveys.option_zh"), placeholder: t(tongue === "en" ? "surveys.option_en" : "surveys.option_zh") }));
      const points = number(option.points, (worth) => { option.points = worth; });
      points.placeholder = t("surveys.points");
      points.ariaLabel = t("surveys.points");
      row.append(points, check(t("surveys.dissatisfied"), !!option.dissatisfied, (on) => { option.dissatisfied = on; }));
      row.append(one.kind === "several" ? check(t("surveys.alone"), !!option.alone, (on) => { option.alone = on; }) : make("span"));
      if (editable) {
        const gone = make("button", { type: "button", class: "s-icon", "aria-label": t("surveys.remove"), title: t("surveys.remove") }, "×");
        gone.addEventListener("click", () => { one.options!.splice(place, 1); changed(true); });
        row.append(gone);
      }
      box.append(row);
    });
    if (editable) {
      const add = make("button", { type: "button" }, t("surveys.add_option"));
      add.addEventListener("click", () => {
        let next = (one.options?.length ?? 0) + 1;
        while (one.options?.some((option) => option.code === `a${next}`)) next += 1;
        one.options = [...(one.options ?? []), { code: `a${next}`, label: {} }];
        changed(true);
      });
      box.append(make("div", { class: "actions" }, add));
    }
    return box;
  }
  function questionBody(one: Question, place: number): HTMLElement {
    const box = make("div", { class: "s-qbody" });
    const wrong = faults.filter((fault) => fault.place.startsWith(`questions.${place}.`) || fault.place === `questions.${place}`);
    for (const fault of wrong) box.append(make("p", { class: "s-wrong" }, fault.message));
    box.append(pair(t("surveys.text"), one.text, (said) => { one.text = said; nameRow(place); }, true));
    box.append(make("div", { class: "s-four" }, labelled(t("surveys.kind"), select(page.kinds.map((kind): [string, string] => [kind, t(`surveys.kind.${kind}`)]), one.kind, (kind) => kindOf(one, kind))), check(t("surveys.required"), !!one.required, (on) => { one.required = on; }, true)));
    if (one.options) box.append(options(one));
    if (one.kind === "score" || one.kind === "number") {
      box.append(make("div", { class: "s-four" }, labelled(t("surveys.least"), number(one.least, (worth) => { one.least = worth; })), labelled(t("surveys.most"), number(one.most, (worth) => { one.most = worth; })),
        one.kind === "score" ? check(t("surveys.nps"), !!one.nps, (on) => { one.nps = on; if (on) { one.least = 0; one.most = 10; } }, true) : check(t("surveys.odometer"), !!one.odometer, (on) => { one.odometer = on; })));
      if (one.kind === "score") box.append(pair(t("surveys.least_label"), one.least_label ?? {}, (said) => { one.least_label = said; }), pair(t("surveys.most_label"), one.most_label ?? {}, (said) => { one.most_label = said; }));
      else box.append(pair(t("surveys.unit"), one.unit ?? {}, (said) => { one.unit = said; }));
    }
    box.append(when(t("surveys.show"), t("surveys.always"), one.show, body.questions.slice(0, place), (value) => { one.show = value; }),
      when(t("surveys.end"), t("surveys.never_ends"), one.end, body.questions.slice(0, place + 1), (value) => { one.end = value; }));
    const rules = make("details", {}, make("summary", {}, t("surveys.rules")));
    rules.open = !!(one.case || one.dissatisfied_below || one.weak_below);
    const inner = make("div", { class: "s-four" }, labelled(t("surveys.weight"), number(one.weight ?? 1, (worth) => { one.weight = worth ?? 0; })), labelled(t("surveys.weak_below"), number(one.weak_below, (worth) => { one.weak_below = worth; })));
    if (one.kind === "score" || one.kind === "number") inner.append(labelled(t("surveys.dissatisfied_below"), number(one.dissatisfied_below, (worth) => { one.dissatisfied_below = worth; })));
    rules.append(inner, caseRule(one.case, t("surveys.case.own"), (rule) => { one.case = rule; }), pair(t("surveys.help"), one.help ?? {}, (said) => { one.help = said; }));
    box.append(rules);
    return box;
  }
  function move(place: number, by: number): void {
    const to = place + by;
    if (to < 0 || to >= body.questions.length) return;
    const [one] = body.questions.splice(place, 1);
    body.questions.splice(to, 0, one!);
    opened = opened === place ? to : opened;
    changed(true);
    part("questions")!.querySelectorAll<HTMLElement>(".s-qhead > button:first-child")[to]?.focus();
  }
  function remove(place: number): void {
    const before = structuredClone(body.questions);
    const [gone] = body.questions.splice(place, 1);
    opened = -1;
    changed(true);
    notice(t("surveys.deleted", { name: nameOf(gone!) }), { undo: () => { body.questions = before; opened = place; changed(true); } });
  }
  function add(): void {
    if (!editable) return;
    const place = opened >= 0 ? opened + 1 : body.questions.length;
    body.questions.splice(place, 0, fresh(body.questions));
    opened = place;
    changed(true);
    part("questions")!.querySelector<HTMLElement>(".s-q[data-open] textarea")?.focus();
  }
  function nameRow(place: number): void {
    const row = part("questions")!.querySelectorAll<HTMLElement>(".s-qname")[place];
    if (row) row.textContent = nameOf(body.questions[place]!);
  }
  function drawQuestions(): void {
    const box = part("questions")!;
    const list = make("div", { class: "s-questions" });
    body.questions.forEach((one, place) => {
      const wrong = faults.some((fault) => fault.place === `questions.${place}` || fault.place.startsWith(`questions.${place}.`));
      const card = make("section", { class: "s-q", "data-open": place === opened, "data-fault": wrong, "aria-label": t("surveys.question_n", { number: place + 1 }) });
      const head = make("button", { type: "button", "aria-expanded": String(place === opened) }, make("span", { class: "s-no" }, String(place + 1)), make("span", { class: "s-qname" }, nameOf(one)), make("span", { class: "quiet" }, t(`surveys.kind.${one.kind}`)), one.required ? make("span", { class: "must" }, "*") : null, one.show ? make("span", { class: "quiet" }, "↳") : null);
      head.addEventListener("click", () => { opened = opened === place ? -1 : place; drawQuestions(); part("questions")!.querySelectorAll<HTMLElement>(".s-qhead > button:first-child")[place]?.focus(); });
      head.addEventListener("keydown", (event) => {
        if (!editable || !event.altKey) return;
        if (event.key === "ArrowUp" || event.key === "ArrowDown") { event.preventDefault(); move(place, event.key === "ArrowUp" ? -1 : 1); }
        else if (event.key === "Delete") { event.preventDefault(); remove(place); }
      });
      const row = make("div", { class: "s-qhead" }, head);
      if (editable) {
        for (const [name, sign, act, off] of [["up", "↑", () => move(place, -1), place === 0], ["down", "↓", () => move(place, 1), place === body.questions.length - 1], ["delete", "×", () => remove(place), body.questions.length === 1]] as const) {
          const button = make("button", { type: "button", class: "s-icon", "aria-label": t(`surveys.${name}`), title: `${t(`surveys.${name}`)} (Alt+${name === "delete" ? "Del" : sign})` }, sign);
          button.disabled = off;
          button.addEventListener("click", act);
          row.append(button);
        }
      }
      card.append(row);
      if (place === opened) card.append(questionBody(one, place));
      list.append(card);
    });
    box.replaceChildren(make("h2", {}, t("surveys.questions")), list);
    if (editable) {
      const button = make("button", { type: "button", class: "primary" }, t("surveys.add"), " ", make("kbd", {}, "Ctrl+Enter"));
      button.addEventListener("click", add);
      box.append(make("div", { class: "actions" }, button));
    }
  }
  function drawAbout(): void {
    const box = make("details", { class: "panel" }, make("summary", {}, make("b", {}, t("surveys.about"))));
    box.open = part("about")?.querySelector("details")?.open ?? false;
    const inner = make("div", { class: "stack" });
    inner.append(pair(t("surveys.name"), body.label ?? {}, (said) => { body.label = said; }));
    inner.append(make("div", { class: "s-four" }, labelled(t("surveys.purpose"), select(page.purposes.map((one): [string, string] => [one, t(`surveys.purpose.${one}`)]), body.purpose, (purpose) => { body.purpose = purpose; }, false)),
      labelled(t("surveys.total_below"), number(body.dissatisfied_below, (worth) => { body.dissatisfied_below = worth; }))));
    const channels = make("div", { class: "s-checks" }, make("b", {}, t("surveys.channels")));
    for (const one of page.channels) channels.append(check(t(`surveys.channel.${one}`), (body.channels ?? ["agent"]).includes(one), (on) => {
      const now = body.channels ?? ["agent"];
      body.channels = page.channels.filter((other) => (other === one ? on : now.includes(other)));
    }));
    inner.append(channels, caseRule(body.case, t("surveys.case.none"), (rule) => { body.case = rule; }));
    inner.append(pair(t("surveys.opening"), body.opening ?? {}, (said) => { body.opening = said; }, true), pair(t("surveys.closing"), body.closing ?? {}, (said) => { body.closing = said; }, true));
    inner.append(make("p", { class: "quiet" }, t("surveys.spoken_hint", { place: "{{customer.address|…}} {{vehicle.plate}} {{agent.name}} {{dealership}}" })));
    if (body.purpose === "plan" || body.purpose === "service_card" || Object.values(body.plan ?? {}).some(Boolean)) {
      body.plan ??= {};
      const plan = make("div", { class: "s-pair" });
      for (const name of ["goal", "sample", "period", "content"]) plan.append(labelled(`${t("surveys.plan")} · ${t(`surveys.plan.${name}`)}`, input(body.plan[name] ?? "", (text) => { body.plan![name] = text; }, { maxlength: name === "period" ? "200" : "1000" })));
      inner.append(plan);
    }
    box.append(inner);
    part("about")!.replaceChildren(box);
  }
  function drawFaults(): void {
    const box = part("faults");
    if (!box) return;
    if (!faults.length) { box.replaceChildren(make("p", { class: "quiet" }, t("surveys.no_faults"))); return; }
    const list = make("div", { class: "s-faults" }, make("b", {}, t("surveys.faults")));
    for (const fault of faults.slice(0, 20)) {
      const place = /^questions\.(\d+)/.exec(fault.place)?.[1];
      const where = place !== undefined ? `${t("surveys.question_n", { number: Number(place) + 1 })}：` : "";
      const button = make("button", { type: "button" }, `${where}${fault.message}`);
      button.addEventListener("click", () => {
        if (place !== undefined) { opened = Number(place); drawQuestions(); part("questions")!.querySelector(".s-q[data-open]")?.scrollIntoView({ block: "start" }); }
        else { const about = part("about")!.querySelector("details"); if (about) about.open = true; part("about")!.scrollIntoView({ block: "start" }); }
      });
      list.append(button);
    }
    box.replaceChildren(list);
  }
  function drawAll(): void { drawAbout(); drawQuestions(); drawFaults(); }

  // -- trying it out -----------------------------------------------------------------------------
  async function play(): Promise<void> {
    if (!root.contains(part("preview")) || !permitted()) return;
    playing += 1;
    const mineNow = playing;
    try {
      const found = await ask<Played>(`/api/v1/questionnaires/play?language=${mine()}`, { body: { body, values }, signal });
      if (mineNow !== playing) return;
      played = found;
    } catch (error) {
      if (signal.aborted || mineNow !== playing) return;
      if (error instanceof Refusal && error.errorId === "bad-answer" && Object.keys(values).length) { values = {}; return play(); }
      played = null;
    }
    drawPlay();
  }
  function permitted(): boolean {
    return (document.querySelector("[data-island='survey-editor']") !== null);
  }
  function drawPlay(): void {
    const box = part("preview")!;
    box.replaceChildren();
    if (!played) { box.append(make("p", { class: "quiet" }, t("surveys.preview_broken"))); return; }
    const language = mine();
    if (played.spoken[language]?.["opening"]) box.append(make("p", { class: "s-speak" }, played.spoken[language]!["opening"]!));
    for (const asked of played.path) {
      const one = body.questions.find((other) => other.code === asked);
      if (!one) continue;
      const known = asked in values;
      if (!known && asked !== played.next) continue;
      const line = make("div", { class: "s-row", "data-done": known });
      line.append(make("p", { class: "s-name" }, nameOf(one), one.required ? make("span", { class: "must" }, " *") : null));
      line.append(playField(one, values[asked] ?? null));
      box.append(line);
      if (!known) break;
    }
    if (!played.next) {
      box.append(make("p", {}, make("b", {}, t("surveys.preview_end"))));
      if (played.spoken[language]?.["closing"]) box.append(make("p", { class: "s-speak" }, played.spoken[language]!["closing"]!));
    }
    if (played.total !== null) box.append(make("p", { class: "quiet" }, `${t("surveys.total")} ${played.total}`));
    if (played.case) box.append(make("p", { class: "s-wrong" }, t("surveys.would_open", { what: caseWords(played.case, page.departments) })));
  }
  function playField(one: Question, given: Given): HTMLElement {
    const set = (value: Given): void => { values = { ...values, [one.code]: value }; void play(); };
    if (one.kind === "choice" || one.kind === "several") {
      const box = make("div", { class: "s-scores" });
      for (const option of one.options ?? []) {
        const on = Array.isArray(given) ? given.includes(option.code) : given === option.code;
        const button = make("button", { type: "button", class: "s-score", "aria-pressed": String(on) }, words(option.label, mine()) || option.code);
        button.addEventListener("click", () => {
          if (one.kind === "choice") { set(option.code); return; }
          const now = Array.isArray(given) ? given : [];
          set(option.alone ? [option.code] : on ? now.filter((other) => other !== option.code) : [...now.filter((other) => !one.options!.find((known) => known.code === other)?.alone), option.code]);
        });
        box.append(button);
      }
      return box;
    }
    if (one.kind === "score") {
      const box = make("div", { class: "s-scores" });
      for (let value = one.least ?? 0; value <= Math.min(one.most ?? 0, 100); value += 1) {
        const button = make("button", { type: "button", class: "s-score", "aria-pressed": String(given === value) }, String(value));
        button.addEventListener("click", () => set(value));
        box.append(button);
      }
      return box;
    }
    const field = make("input", { type: one.kind === "date" ? "date" : "text", "aria-label": nameOf(one) });
    field.value = given === null ? "" : String(given);
    field.addEventListener("change", () => set(field.value === "" ? null : field.value));
    const box = make("div", { class: "s-number" }, field);
    if (!one.required && given === null) {
      const skip = make("button", { type: "button" }, t("surveys.fill.skip"));
      skip.addEventListener("click", () => set(null));
      box.append(skip);
    }
    return box;
  }

  // -- compared ----------------------------------------------------------------------------------
  function drawCompare(): void {
    const box = part("compare");
    if (!box || !page.compare) return;
    const found = compared(page.compare.body, page.version.body, page.departments);
    const title = t("surveys.compare_title", { version: page.compare.version });
    const none = make("p", { class: "quiet" }, t("surveys.same"));
    box.replaceChildren(make("h3", {}, title), ...(found.length > 0 ? found : [none]));
  }

  // -- steps -------------------------------------------------------------------------------------
  root.querySelector("[data-steps]")?.addEventListener("submit", (event) => event.preventDefault(), { signal });
  root.addEventListener("click", async (event) => {
    const button = (event.target as HTMLElement).closest<HTMLButtonElement>("[data-step], [data-draft], [data-restart]");
    if (!button) return;
    if (button.dataset["restart"] !== undefined) { values = {}; void play(); return; }
    button.disabled = true;
    try {
      if (button.dataset["draft"]) {
        await ask(`/api/v1/questionnaires/${code}/drafts?language=${mine()}`, { body: { from_version: Number(button.dataset["draft"]) }, signal });
        visit(`/surveys/questionnaires/${code}`);
        return;
      }
      await save();
      if (dirty) { button.disabled = false; return; }
      const step = button.dataset["step"]!;
      const why = root.querySelector<HTMLInputElement>('[name="why"]')?.value ?? "";
      await ask(`/api/v1/questionnaires/${code}/versions/${version}/steps?language=${mine()}`, { body: { step, revision, why }, signal });
      notice(`${t("surveys.version_n", { version })} · ${t(`surveys.done.${step}`)}`);
      visit(`/surveys/questionnaires/${code}?version=${version}`, { action: "replace" });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refusal && error.problem["errors"]) {
        faults = (error.problem["errors"] as { field: string; message: string }[]).map((one) => ({ place: one.field, message: one.message }));
        drawFaults();
        drawQuestions();
      }
      told(error);
      button.disabled = false;
    }
  }, { signal });
  hotkey("Ctrl+Enter", "surveys.add", (event) => { if (editable) { event.preventDefault(); add(); } }, signal, { always: true });

  restore();
  drawAll();
  drawCompare();
  void play();
});
