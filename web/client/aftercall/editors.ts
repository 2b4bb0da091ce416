// Editors of articles, forms and dispositions: a preview beside what is written, refusals beside the fields.
import { visit } from "./visit";
import { Refusal, ask } from "../ask";
import { island, pageOf } from "../islands";
import { hotkey } from "../keys";
import { notice } from "../notices";
import { t } from "../texts";
import { drawBlocks } from "./prose";

interface Page { kind: "form" | "dispositions"; name: string; version: number }

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
  async function save(): Promise<void> {
    const values = new FormData(form);
    try {
      await ask(`/api/v1/definitions/${page.kind}/${page.name}`, { body: { text: String(values.get("text") ?? ""), based_on: page.version, why: String(values.get("why") ?? ""), retired: values.get("retired") === "yes" } });
      notice(t("scripts.saved"));
      visit(location.pathname, { action: "replace" });
    } catch (error) { say(root, told(error)); }
  }
  form.addEventListener("submit", (event) => { event.preventDefault(); void save(); }, { signal });
  hotkey("Ctrl+Enter", "scripts.save", (event) => { event.preventDefault(); void save(); }, signal, { always: true });
});
