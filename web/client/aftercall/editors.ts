// Editors of articles, scripts, forms and dispositions: a preview beside what is written, refusals beside the fields.
import { visit } from "./visit";
import { Refusal, ask } from "../ask";
import { house } from "../house";
import { island, pageOf } from "../islands";
import { hotkey } from "../keys";
import { notice } from "../notices";
import { t } from "../texts";
import { drawBlocks } from "./prose";
import { drawParts } from "./script";
import { make } from "./shapes";

interface Step { kind: string; text: string }
interface ScriptBody { steps: Record<string, Step[]>; [name: string]: unknown }
interface Page { kind: "script" | "form" | "dispositions"; name: string; version: number; body: ScriptBody; places: string[] }
const STEPS = ["greeting", "identity", "ask", "say", "thanks"];

function told(error: unknown): string {
  if (!(error instanceof Refusal)) return t("aftercall.trouble.away");
  const places = (error.problem["errors"] ?? []) as { field: string; message: string }[];
  return [t("aftercall.trouble.refused", { why: error.detail }), ...places.map((one) => `${one.field}: ${one.message}`)].join("\n");
}

function say(root: HTMLElement, words: string): void {
  const place = root.querySelector<HTMLElement>("[data-error]")!;
  place.textContent = words;
  place.hidden = !words;
  if (words) place.scrollIntoView({ block: "nearest" });
}

island("article-editor", (root, signal) => {
  const page = pageOf<{ id: string; version: number }>(root);
  const form = root.querySelector("form")!;
  const preview = root.querySelector<HTMLElement>("[data-preview]")!;
  const value = (name: string): string => String(new FormData(form).get(name) ?? "").trim();
  const draw = (): void => preview.replaceChildren(...drawBlocks(value("body")));
  form.addEventListener("input", draw, { signal });
  async function save(): Promise<void> {
    const body = { title: value('title'), body: value("body"), tags: value("tags").split(/[\s,，、]+/).filter(Boolean), language: value("language"), valid_until: value("valid_until") || null, ...(page.id ? { based_on: page.version } : {}) };
    try {
      const saved = await ask<{ id: string }>(page.id ? `/api/v1/articles/${page.id}` : "/api/v1/articles", { body });
      notice(t("knowledge.saved"));
      visit(`/knowledge/${saved.id}`);
    } catch (error) { say(root, told(error)); }
  }
  form.addEventListener("submit", (event) => { event.preventDefault(); void save(); }, { signal });
  hotkey("Ctrl+Enter", "knowledge.save", (event) => { event.preventDefault(); void save(); }, signal, { always: true });
  draw();
});

island("article-actions", (root, signal) => {
  if (!root.querySelector("[data-page]")) return;
  const page = pageOf<{ id: string; version: number }>(root);
  root.addEventListener("click", (event) => {
    const act = (event.target as Element).closest<HTMLElement>("[data-act]")?.dataset["act"];
    if (!act) return;
    ask(`/api/v1/articles/${page.id}/${act}`, { body: { based_on: page.version } })
      .then(() => { notice(t(`knowledge.done.${act}`)); visit(location.pathname, { action: "replace" }); })
      .catch((error: unknown) => notice(told(error), { kind: "trouble" }));
  }, { signal });
});

island("definition-editor", (root, signal) => {
  const page = pageOf<Page>(root);
  const form = root.querySelector("form")!;
  const list = root.querySelector<HTMLElement>('[data-part="steps"]');
  const shown = root.querySelector<HTMLElement>('[data-part="preview"]');
  const languages = ["zh-CN", "en"];
  let last: HTMLTextAreaElement | null = null;
  let timer = 0;
  let turn = 0;

  function row(place: number): HTMLElement {
    const kind = make("select", { "aria-label": t("scripts.step_kind") }, ...STEPS.map((one) => make("option", { value: one }, t(`aftercall.step.${one}`))));
    kind.value = page.body.steps["zh-CN"]?.[place]?.kind ?? page.body.steps["en"]?.[place]?.kind ?? "say";
    const texts = languages.map((language) => {
      const area = make("textarea", { rows: "3", lang: language, "data-language": language, "aria-label": t(`scripts.language.${language === "en" ? "english" : "chinese"}`) });
      area.value = page.body.steps[language]?.[place]?.text ?? "";
      return area;
    });
    const up = make("button", { type: "button", "data-act": "up", "aria-label": t("scripts.up") }, "↑");
    const out = make("button", { type: "button", "data-act": "out", "aria-label": t("scripts.remove") }, "×");
    return make("div", { class: "step-row" }, make("div", { class: "filter" }, kind, up, out), ...texts);
  }

  function collect(): ScriptBody {
    const steps: Record<string, Step[]> = { "zh-CN": [], en: [] };
    for (const one of list?.children ?? []) {
      const kind = one.querySelector("select")!.value;
      for (const area of one.querySelectorAll<HTMLTextAreaElement>("textarea")) steps[area.dataset["language"]!]!.push({ kind, text: area.value.trim() });
    }
    return { ...page.body, steps };
  }

  async function preview(): Promise<void> {
    if (!shown) return;
    const now = ++turn;
    try {
      const known = root.querySelector<HTMLInputElement>("[data-known]")!.checked;
      const parts = await Promise.all(languages.map((language) => ask<{ steps: { kind: string; parts: Parameters<typeof drawParts>[0] }[] }>("/api/v1/scripts/preview", { body: { body: collect(), language, known }, signal })));
      if (now !== turn) return;
      shown.replaceChildren(...parts.map((spoken, place) => make("ol", { class: "ac-steps all", lang: languages[place]! }, ...spoken.steps.map((step) => make("li", {}, make("span", { class: "quiet" }, t(`aftercall.step.${step.kind}`)), make("p", {}, ...drawParts(step.parts)))))));
      say(root, "");
    } catch (error) { if (now === turn && !signal.aborted) say(root, told(error)); }
  }

  async function save(): Promise<void> {
    const values = new FormData(form);
    const what = page.kind === "script" ? { body: collect() } : { text: String(values.get("text") ?? "") };
    try {
      await ask(`/api/v1/definitions/${page.kind}/${page.name}`, { body: { ...what, based_on: page.version, why: String(values.get("why") ?? ""), retired: values.get("retired") === "yes" } });
      notice(t("scripts.saved"));
      visit(location.pathname, { action: "replace" });
    } catch (error) { say(root, told(error)); }
  }

  if (list) {
    const count = Math.max(...languages.map((language) => page.body.steps[language]?.length ?? 0));
    list.replaceChildren(...Array.from({ length: count }, (_none, place) => row(place)));
  }
  const soon = (): void => { clearTimeout(timer); timer = window.setTimeout(() => void preview(), 300); };
  root.addEventListener("input", soon, { signal });
  root.addEventListener("focusin", (event) => { if (event.target instanceof HTMLTextAreaElement) last = event.target; }, { signal });
  root.addEventListener("click", (event) => {
    const target = event.target as Element;
    const place = target.closest<HTMLElement>("[data-place]")?.dataset["place"];
    if (place && last) {
      last.setRangeText(`{{${place}}}`, last.selectionStart, last.selectionEnd, "end");
      last.focus();
      soon();
    }
    const act = target.closest<HTMLElement>("[data-act]")?.dataset["act"];
    const one = target.closest<HTMLElement>(".step-row");
    if (act === "add") list?.append(row(-1));
    if (act === "out") one?.remove();
    if (act === "up") one?.previousElementSibling?.before(one);
    if (act) soon();
  }, { signal });
  form.addEventListener("submit", (event) => { event.preventDefault(); void save(); }, { signal });
  hotkey("Ctrl+Enter", "scripts.save", (event) => { event.preventDefault(); void save(); }, signal, { always: true });
  if (house()) void preview();
});
