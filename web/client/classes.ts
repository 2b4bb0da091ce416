// Rating all customers again: the page follows the run, and what is typed in the rules below stays as it is.
import { ask } from "./ask";
import { island, pageOf } from "./islands";
import { t } from "./texts";
import { when } from "./times";

const LOOK_MS = 1000;

interface Rating { state: string; total: number | null; looked: number; moved: number; kept: number; ended_at: string | null; ended_by: string }

island("class-rating", (root, signal) => {
  if (!pageOf<{ running: boolean }>(root).running) return;
  const find = <T extends HTMLElement>(name: string): T | null => root.querySelector<T>(`[data-${name}]`);
  const written = (count: number): string => count.toLocaleString("en");

  function draw(rating: Rating): void {
    const bar = find<HTMLProgressElement>("bar");
    if (bar) {
      bar.max = rating.total || 1;
      bar.value = rating.looked;
    }
    const words = find("words");
    if (words) words.textContent = t("rating.looked", { looked: written(rating.looked), total: rating.total === null ? "…" : written(rating.total) });
    for (const name of ["moved", "kept"] as const) {
      const count = find(`count="${name}"`);
      if (count) count.textContent = written(rating[name]);
    }
  }

  function end(rating: Rating): void {
    const badge = find("state")?.querySelector<HTMLElement>(".badge");
    if (badge) {
      badge.textContent = t(`rating.state.${rating.state}`);
      badge.dataset["kind"] = rating.state === "done" ? "good" : "warn";
    }
    const ended = find("ended");
    if (ended && rating.ended_at) ended.replaceChildren(when(rating.ended_at), ` ${t(`rating.ended.${rating.state}`, { who: rating.ended_by })}`);
    for (const one of root.querySelectorAll<HTMLElement>("[data-stop]")) one.remove();
    const begin = find("begin");
    if (begin) begin.hidden = false;
  }

  let timer = 0;
  const look = async (): Promise<void> => {
    try {
      const { rating } = await ask<{ rating: Rating | null }>("/api/v1/classes/rating", { signal });
      if (rating) draw(rating);
      if (rating && rating.state !== "running") {
        end(rating);
        return;
      }
    } catch {
      if (signal.aborted) return;
    }
    timer = window.setTimeout(() => void look(), LOOK_MS);
  };
  timer = window.setTimeout(() => void look(), LOOK_MS / 2);
  signal.addEventListener("abort", () => clearTimeout(timer));
});
