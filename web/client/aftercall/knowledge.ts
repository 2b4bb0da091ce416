// What the house knows, searched while talking: two characters are enough.
import { ask } from "../ask";
import { house } from "../house";
import { t } from "../texts";
import { drawBlocks } from "./prose";
import { make } from "./shapes";

interface Hit { id: string; title: string; tags: string[]; excerpt: string; language: string; valid_until: string | null; approved_by_name: string }
interface Article { id: string; title: string; body: string; tags: string[]; language: string; valid_until: string | null; approved_by_name: string; blocks: unknown }

export function startKnowledge(pane: HTMLElement, signal: AbortSignal): void {
  const input = pane.querySelector<HTMLInputElement>("input[type=search]")!;
  const hits = pane.querySelector<HTMLElement>('[data-part="hits"]')!;
  const article = pane.querySelector<HTMLElement>('[data-part="article"]')!;
  let timer = 0;
  let asked = 0;

  async function look(): Promise<void> {
    const text = input.value.trim();
    const turn = ++asked;
    article.hidden = true;
    hits.hidden = false;
    if (!text) { hits.replaceChildren(make("p", { class: "quiet" }, t("aftercall.knowledge.begin"))); return; }
    try {
      const query = new URLSearchParams({ search: text, language: house()?.language ?? "zh-CN" });
      const found = await ask<{ items: Hit[] }>(`/api/v1/knowledge?${query}`, { signal });
      if (turn !== asked) return;
      hits.replaceChildren(found.items.length ? make("ul", { class: "ac-hits" }, ...found.items.map(line)) : make("p", { class: "quiet" }, t("aftercall.knowledge.none", { text })));
    } catch {
      if (turn === asked && !signal.aborted) hits.replaceChildren(make("p", { class: "quiet" }, t("aftercall.trouble.away")));
    }
  }

  function line(hit: Hit): HTMLElement {
    const open = make("button", { type: "button", class: "plain ac-hit", lang: hit.language }, make("b", {}, hit.title), make("span", { class: "quiet" }, hit.excerpt));
    open.addEventListener("click", () => void show(hit.id));
    return make("li", {}, open);
  }

  async function show(id: string): Promise<void> {
    try {
      const found = await ask<Article>(`/api/v1/articles/${id}`, { signal });
      const back = make("button", { type: "button" }, t("aftercall.knowledge.back"));
      back.addEventListener("click", () => { article.hidden = true; hits.hidden = false; input.focus(); });
      const facts = [t("aftercall.knowledge.approved", { name: found.approved_by_name }), ...(found.valid_until ? [t("aftercall.knowledge.until", { day: found.valid_until })] : [])];
      article.replaceChildren(back, make("h2", { lang: found.language }, found.title), make("p", { class: "quiet" }, facts.join(" · ")), ...drawBlocks(found.body));
      article.hidden = false;
      hits.hidden = true;
      back.focus();
    } catch { if (!signal.aborted) hits.replaceChildren(make("p", { class: "quiet" }, t("aftercall.trouble.away"))); }
  }

  input.addEventListener("input", () => { clearTimeout(timer); timer = window.setTimeout(() => void look(), 150); }, { signal });
  void look();
}
