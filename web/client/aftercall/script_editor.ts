// A script in work: both languages side by side, saved as one writes, refusals beside the step, a preview, and its steps
// of approval.
import { visit } from "./visit";
import { Refusal, ask } from "../ask";
import { house } from "../house";
import { island, pageOf } from "../islands";
import { hotkey } from "../keys";
import { notice } from "../notices";
import { t } from "../texts";
import { drawParts } from "./script";
import { type Label, make, said } from "./shapes";

interface Step { kind: string; text: string }
interface When { queues: string[]; keys: string[]; call_types: string[]; direction: string }
interface Body { label: Label; when: When; steps: Record<string, Step[]>; [name: string]: unknown }
interface Fault { place: string; message: string }
interface Version { name: string; version: number; revision: number; state: string; body: Body; faults: Fault[] }
interface Page { version: Version; editable: boolean; call_types: Record<string, string>; queues: Record<string, Label> }
interface Shown { language: string; steps: { kind: string; parts: Parameters<typeof drawParts>[0] }[] }
interface Copy { body: Body; revision: number }

const STEPS = ["greeting", "identity", "ask", "say", "thanks"];
const TONGUES = ["zh-CN", "en"] as const;
const MOST_STEPS = 40;
const PAUSE = 700;
const AGAIN = 4000;

const mine = (): string => house()?.language ?? "zh-CN";
const tongueName = (tongue: string): string => t(`scripts.language.${tongue === "en" ? "english" : "chinese"}`);

island("script-new", (root, signal) => {
  root.addEventListener("submit", async (event) => {
    event.preventDefault();
    const value = (name: string): string => root.querySelector<HTMLInputElement>(`[name="${name}"]`)!.value.trim();
    const trouble = root.querySelector<HTMLElement>("[data-trouble]")!;
    const button = root.querySelector<HTMLButtonElement>("button.primary")!;
    const code = value("code");
    const say = (words: string): void => { trouble.textContent = words; trouble.hidden = false; };
    if (!/^[a-z][a-z0-9_]{0,31}$/.test(code)) { say(t("scripts.code_hint")); return; }
    button.disabled = true;
    const steps = Object.fromEntries(TONGUES.map((tongue) => [tongue, [{ kind: "greeting", text: "" }]]));
    try {
      await ask(`/api/v1/scripts/${code}/drafts?language=${mine()}`, { body: { body: { name: code, label: { "zh-CN": value("zh"), en: value("en") }, steps } }, signal });
      visit(`/scripts/script/${code}`);
    } catch (error) {
      if (signal.aborted) return;
      say(error instanceof Refusal ? error.detail : t("aftercall.trouble.away"));
      button.disabled = false;
    }
  }, { signal });
});

island("script-editor", (root, signal) => {
  const page = pageOf<Page>(root);
  const { name, version } = page.version;
  const part = (which: string): HTMLElement | null => root.querySelector<HTMLElement>(`[data-part="${which}"]`);
  const list = part("steps");
  const saved = root.querySelector<HTMLElement>("[data-saved]")!;
  const trouble = root.querySelector<HTMLElement>("[data-trouble]")!;
  const theirs = root.querySelector<HTMLElement>("[data-theirs]")!;
  const key = `careline:script:${name}:${version}`;
  let body: Body = structuredClone(page.version.body);
  let revision = page.version.revision;
  let faults = page.version.faults;
  let last: HTMLTextAreaElement | null = null;
  let dirty = false;
  let saving: Promise<void> | null = null;
  let timer = 0;
  let drawing = 0;
  let turn = 0;

  function told(error: unknown): void {
    trouble.textContent = error instanceof Refusal ? error.detail : t("aftercall.trouble.away");
    trouble.hidden = false;
    trouble.scrollIntoView({ block: "nearest" });
  }

  // -- what is written -----------------------------------------------------------------------------
  function field(name: string, inside: HTMLElement, whole = false): HTMLElement {
    return make("label", whole ? { class: "whole" } : {}, make("span", {}, name), inside);
  }
  function checks(legend: string, known: Record<string, string>, chosen: string[], as: string): HTMLElement {
    const boxes = [...new Set([...Object.keys(known), ...chosen])].map((code) => {
      const box = make("input", { type: "checkbox", value: code, "data-when": as });
      box.checked = chosen.includes(code);
      return make("label", {}, box, known[code] ?? code);
    });
    return make("fieldset", { class: "whole" }, make("legend", {}, legend), make("div", { class: "x-checks" }, ...boxes));
  }
  function drawHead(): void {
    const head = part("head");
    if (!head) return;
    const names = TONGUES.map((tongue) => {
      const input = make("input", { maxlength: "80", autocomplete: "off", "data-name": tongue, lang: tongue });
      input.value = body.label?.[tongue] ?? "";
      return field(t(tongue === "en" ? "scripts.name_en" : "scripts.name_zh"), input);
    });
    const when = body.when ?? {};
    const direction = make("select", { "data-direction": "" }, ...["", "inbound", "outbound"].map((one) => make("option", { value: one }, t(`scripts.direction.${one || "any"}`))));
    direction.value = when.direction ?? "";
    const keys = make("input", { maxlength: "400", autocomplete: "off", "data-keys": "", class: "mono" });
    keys.value = (when.keys ?? []).join(" ");
    const queues = Object.fromEntries(Object.entries(page.queues).map(([code, label]) => [code, said(label) || code]));
    const box = make("details", { class: "whole" }, make("summary", {}, t("scripts.for_edit")),
      make("div", { class: "x-head" }, field(t("scripts.when.direction"), direction), field(t("scripts.when.keys_hint"), keys),
        checks(t("scripts.when.call_types"), page.call_types, when.call_types ?? [], "call_types"), checks(t("scripts.when.queues"), queues, when.queues ?? [], "queues")));
    head.replaceChildren(make("div", { class: "x-head" }, ...names, box));
  }
  function row(place: number): HTMLElement {
    const at = (tongue: string): Step | undefined => body.steps?.[tongue]?.[place];
    const kind = make("select", { "aria-label": t("scripts.step_kind") }, ...STEPS.map((one) => make("option", { value: one }, t(`aftercall.step.${one}`))));
    kind.value = at("zh-CN")?.kind ?? at("en")?.kind ?? "say";
    const texts = TONGUES.map((tongue) => {
      const area = make("textarea", { rows: "3", maxlength: "1000", lang: tongue, "data-language": tongue, "aria-label": tongueName(tongue) });
      area.value = at(tongue)?.text ?? "";
      return make("label", {}, make("span", { class: "quiet" }, tongueName(tongue)), area, make("span", { class: "x-wrong", role: "alert" }));
    });
    const icon = (act: string, sign: string, words: string): HTMLElement => make("button", { type: "button", class: "x-icon", "data-act": act, "aria-label": words, title: words }, sign);
    return make("section", { class: "x-step" }, make("header", {}, make("b", {}), kind, make("span"), icon("up", "↑", t("scripts.up")), icon("down", "↓", t("scripts.down")), icon("out", "×", t("scripts.remove"))),
      make("div", { class: "x-both" }, ...texts));
  }
  function drawSteps(): void {
    if (!list) return;
    const count = Math.max(1, ...TONGUES.map((tongue) => body.steps?.[tongue]?.length ?? 0));
    list.replaceChildren(...Array.from({ length: count }, (_none, place) => row(place)));
    number();
    drawFaults();
  }
  function number(): void {
    for (const [place, one] of [...(list?.children ?? [])].entries()) one.querySelector("header b")!.textContent = String(place + 1);
    const add = root.querySelector<HTMLButtonElement>('[data-act="add"]');
    if (add) add.disabled = (list?.children.length ?? 0) >= MOST_STEPS;
  }
  function collect(): Body {
    if (!list) return body;
    const steps: Record<string, Step[]> = Object.fromEntries(TONGUES.map((tongue) => [tongue, []]));
    for (const one of list.children) {
      const kind = one.querySelector("select")!.value;
      for (const area of one.querySelectorAll<HTMLTextAreaElement>("textarea")) steps[area.dataset["language"]!]!.push({ kind, text: area.value.trim() });
    }
    const chosen = (as: string): string[] => [...root.querySelectorAll<HTMLInputElement>(`[data-when="${as}"]:checked`)].map((one) => one.value);
    const label = Object.fromEntries([...root.querySelectorAll<HTMLInputElement>("[data-name]")].map((one) => [one.dataset["name"]!, one.value.trim()]));
    const keys = root.querySelector<HTMLInputElement>("[data-keys]")!.value.split(/[\s,，、]+/).filter(Boolean);
    const when = { direction: root.querySelector<HTMLSelectElement>("[data-direction]")!.value, keys, call_types: chosen("call_types"), queues: chosen("queues") };
    return { ...body, label, when, steps };
  }

  // -- what is wrong -------------------------------------------------------------------------------
  function drawFaults(): void {
    const box = part("faults");
    for (const one of list?.querySelectorAll<HTMLElement>(".x-wrong") ?? []) one.textContent = "";
    for (const one of list?.querySelectorAll("textarea") ?? []) one.removeAttribute("aria-invalid");
    const buttons: HTMLElement[] = [];
    for (const fault of faults) {
      const [, tongue, place] = /^steps\.([^.]+)\.(\d+)/.exec(fault.place) ?? [];
      const area = tongue ? list?.children[Number(place)]?.querySelector<HTMLTextAreaElement>(`textarea[data-language="${tongue}"]`) : null;
      if (area?.value.trim()) {
        area.setAttribute("aria-invalid", "true");
        area.parentElement!.querySelector(".x-wrong")!.textContent = fault.message;
      }
      const where = place === undefined ? "" : t("scripts.step_n", { number: Number(place) + 1 });
      const button = make("button", { type: "button" }, where ? `${where} · ${fault.message}` : fault.message);
      button.addEventListener("click", () => (area ?? root.querySelector<HTMLElement>(`[data-name="${fault.place.split(".")[1]}"]`))?.focus());
      buttons.push(button);
    }
    if (!box) return;
    if (!page.editable && !faults.length) { box.replaceChildren(); return; }
    box.replaceChildren(faults.length ? make("div", { class: "x-faults" }, make("b", {}, t("scripts.faults")), ...buttons) : make("p", { class: "quiet" }, t("scripts.no_faults")));
  }

  // -- saving --------------------------------------------------------------------------------------
  function keep(): void {
    try { localStorage.setItem(key, JSON.stringify({ body, revision } satisfies Copy)); } catch { /* the page has it */ }
  }
  function forget(): void {
    try { localStorage.removeItem(key); } catch { /* nothing kept */ }
  }
  function changed(): void {
    if (!page.editable) return;
    body = collect();
    dirty = true;
    saved.textContent = t("scripts.unsaved");
    keep();
    clearTimeout(timer);
    timer = window.setTimeout(() => void save(), PAUSE);
    clearTimeout(drawing);
    drawing = window.setTimeout(() => void preview(), 300);
  }
  async function save(): Promise<void> {
    if (!page.editable || !dirty) return;
    clearTimeout(timer);
    if (saving) { await saving; if (dirty) return save(); return; }
    dirty = false;
    saved.textContent = t("scripts.saving");
    const sent = structuredClone(body);
    saving = (async () => {
      try {
        const made = await ask<Version>(`/api/v1/scripts/${name}/versions/${version}?language=${mine()}`, { body: { body: sent, revision }, signal });
        revision = made.revision;
        faults = made.faults;
        trouble.hidden = true;
        if (dirty) keep();
        else { forget(); saved.textContent = t("scripts.saved_draft"); void compareAgain(); }
        drawFaults();
      } catch (error) {
        if (signal.aborted) return;
        dirty = true;
        if (error instanceof Refusal && error.errorId === "script-changed") conflict(error);
        else if (error instanceof Refusal && error.status < 500) { saved.textContent = t("scripts.unsaved"); told(error); }
        else { saved.textContent = t("scripts.kept_here"); timer = window.setTimeout(() => void save(), AGAIN); }
      }
    })();
    await saving;
    saving = null;
  }
  function conflict(error: Refusal): void {
    clearTimeout(timer);
    saved.textContent = t("scripts.unsaved");
    const newest = Number(error.problem["version"]);
    theirs.replaceChildren(make("p", {}, t("scripts.theirs", { name: String(error.problem["holder"] ?? "") })), make("div", { class: "actions" },
      make("button", { type: "button", "data-their": "take" }, t("scripts.take_theirs")), make("button", { type: "button", "data-their": "keep" }, t("scripts.keep_mine"))));
    theirs.hidden = false;
    theirs.onclick = (event) => {
      const choice = (event.target as HTMLElement).dataset["their"];
      if (!choice) return;
      theirs.hidden = true;
      if (choice === "keep") { revision = newest; dirty = true; void save(); return; }
      forget();
      visit(location.href, { action: "replace" });
    };
  }
  // What differs from the version in force, as the page draws it.
  async function compareAgain(): Promise<void> {
    const box = part("differences");
    if (!box) return;
    const at = revision;
    try {
      const answer = await fetch(location.pathname, { headers: { Accept: "text/html" }, signal });
      if (!answer.ok || at !== revision) return;
      const made = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector('[data-part="differences"]');
      if (made && at === revision) box.replaceChildren(...[...made.childNodes].map((one) => document.importNode(one, true)));
    } catch { /* the next saving draws it */ }
  }
  function restore(): void {
    if (!page.editable) return;
    try {
      const copy = JSON.parse(localStorage.getItem(key) ?? "null") as Copy | null;
      if (!copy || JSON.stringify(copy.body) === JSON.stringify(body)) return;
      body = copy.body;
      revision = copy.revision; // an older one: the service says whose text is newer
      dirty = true;
      timer = window.setTimeout(() => void save(), PAUSE);
    } catch { /* nothing to restore */ }
  }

  // -- preview -------------------------------------------------------------------------------------
  async function preview(): Promise<void> {
    const shown = part("preview");
    if (!shown) return;
    const now = ++turn;
    try {
      const known = root.querySelector<HTMLInputElement>("[data-known]")!.checked;
      const found = await Promise.all(TONGUES.map((language) => ask<Shown>("/api/v1/scripts/preview", { body: { body, language, known }, signal })));
      if (now !== turn) return;
      const closed = [...shown.querySelectorAll("details:not([open])")].map((one) => one.getAttribute("data-tongue"));
      const fresh = shown.childElementCount === 0;
      shown.replaceChildren(...found.map((spoken, place) => {
        const steps = spoken.steps.map((step) => make("li", {}, make("span", { class: "quiet" }, t(`aftercall.step.${step.kind}`)), make("p", { lang: spoken.language }, ...drawParts(step.parts))));
        const tongue = TONGUES[place]!;
        const box = make("details", { "data-tongue": tongue }, make("summary", {}, tongueName(tongue)), make("ol", { class: "ac-steps all" }, ...steps));
        box.open = fresh ? tongue === mine() : !closed.includes(tongue);
        return box;
      }));
    } catch { /* what is wrong stands beside the step; the next letter draws it again */ }
  }

  // -- steps ---------------------------------------------------------------------------------------
  async function take(button: HTMLButtonElement): Promise<void> {
    const buttons = [...root.querySelectorAll<HTMLButtonElement>("[data-step], [data-draft]")];
    for (const one of buttons) one.disabled = true;
    try {
      if (button.dataset["draft"]) {
        await ask(`/api/v1/scripts/${name}/drafts?language=${mine()}`, { body: { from_version: Number(button.dataset["draft"]) }, signal });
        visit(`/scripts/script/${name}`);
        return;
      }
      await save();
      if (!dirty) {
        const form = root.querySelector<HTMLElement>("[data-steps]")!;
        const step = button.dataset["step"]!;
        const why = root.querySelector<HTMLTextAreaElement>('[name="why"]')!.value;
        const acting = Number(form.dataset["version"]);
        const based = page.editable && acting === version ? revision : Number(form.dataset["revision"]);
        await ask(`/api/v1/scripts/${name}/versions/${acting}/steps?language=${mine()}`, { body: { step, why, revision: based }, signal });
        forget();
        notice(`${t("scripts.version_short", { version: acting })} · ${t(`surveys.done.${step}`)}`);
        visit(`/scripts/script/${name}`, { action: "replace" });
        return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refusal && error.errorId === "bad-script") {
        faults = ((error.problem["errors"] ?? []) as { field: string; message: string }[]).map((one) => ({ place: one.field, message: one.message }));
        drawFaults();
      }
      told(error);
    }
    for (const one of buttons) one.disabled = false;
  }

  root.querySelector("[data-steps]")?.addEventListener("submit", (event) => event.preventDefault(), { signal });
  root.addEventListener("input", (event) => {
    const target = event.target as HTMLElement;
    if (target.matches("[data-known]")) void preview();
    else if (target.closest('[data-part="head"], [data-part="steps"]')) changed();
  }, { signal });
  root.addEventListener("focusin", (event) => { if (event.target instanceof HTMLTextAreaElement && event.target.dataset["language"]) last = event.target; }, { signal });
  root.addEventListener("click", (event) => {
    const target = event.target as Element;
    const button = target.closest<HTMLButtonElement>("[data-step], [data-draft]");
    if (button) { void take(button); return; }
    const place = target.closest<HTMLElement>("[data-place]")?.dataset["place"];
    if (place) {
      const area = last?.isConnected ? last : list?.querySelector<HTMLTextAreaElement>("textarea");
      if (!area) return;
      area.setRangeText(`{{${place}}}`, area.selectionStart, area.selectionEnd, "end");
      area.focus();
      changed();
      return;
    }
    const act = target.closest<HTMLElement>("[data-act]")?.dataset["act"];
    const one = target.closest<HTMLElement>(".x-step");
    if (!act || !list) return;
    if (act === "add") { list.append(row(-1)); list.lastElementChild!.querySelector("textarea")!.focus(); }
    if (act === "up") one?.previousElementSibling?.before(one);
    if (act === "down") one?.nextElementSibling?.after(one);
    if (act === "out" && one) {
      const next = one.nextElementSibling;
      one.remove();
      notice(t("scripts.removed"), { undo: () => { if (next?.isConnected) next.before(one); else list.append(one); number(); changed(); } });
    }
    number();
    changed();
  }, { signal });
  hotkey("Ctrl+S", "scripts.save_draft", (event) => { if (page.editable) { event.preventDefault(); void save(); } }, signal, { always: true });

  restore();
  drawHead();
  drawSteps();
  drawFaults();
  void preview();
});
