// Imports and exports: a file may be dropped on its form, and what is being worked on is followed until it is done.
import { ask } from "./ask";
import { island, pageOf } from "./islands";
import { t } from "./texts";
import { visit } from "./aftercall/visit";

const LOOK_MS = 1000;
const WORKING = new Set(["reading", "checking", "running", "taking_back", "making"]);

interface Counts { done: number; added: number; changed: number; unchanged: number; refused: number }
interface Import { id: string; state: string; total: number; counts: Counts }
interface Page { id: string; state: string }

// Asks again until the state is another, then shows the page as it is now; a lost network is waited for.
function follow(path: string, page: Page, signal: AbortSignal, draw: (found: Import) => void): void {
  if (!WORKING.has(page.state)) return;
  const look = async (): Promise<void> => {
    try {
      const found = await ask<Import>(path, { signal });
      if (found.state !== page.state) {
        visit(location.pathname, { action: "replace" });
        return;
      }
      draw(found);
    } catch {
      if (signal.aborted) return;
    }
    timer = window.setTimeout(() => void look(), LOOK_MS);
  };
  let timer = window.setTimeout(() => void look(), LOOK_MS / 2);
  signal.addEventListener("abort", () => clearTimeout(timer));
}

island("import-progress", (root, signal) => {
  const page = pageOf<Page>(root);
  follow(`/api/v1/imports/${page.id}`, page, signal, (job) => {
    const bar = root.querySelector<HTMLProgressElement>("[data-bar]");
    const words = root.querySelector<HTMLElement>("[data-words]");
    const total = Math.max(job.total, job.counts.done);
    if (bar) {
      bar.max = total || 1;
      bar.value = job.counts.done;
    }
    if (words) words.textContent = t("imports.done-of", { done: job.counts.done, total: job.total || "…" });
    for (const word of ["added", "changed", "unchanged", "refused"] as const) {
      const count = root.querySelector<HTMLElement>(`[data-count="${word}"]`);
      if (count) count.textContent = job.counts[word].toLocaleString("en");
    }
  });
});

island("export-progress", (root, signal) => {
  const page = pageOf<Page>(root);
  follow(`/api/v1/exports/${page.id}`, page, signal, () => undefined);
});

// The list goes out as it is shown now: its script may have changed the address since the page was made.
island("export-button", (root, signal) => {
  root.addEventListener("submit", () => {
    const asked = new URLSearchParams(location.search);
    for (const input of root.querySelectorAll<HTMLInputElement>("input[data-address]")) {
      input.value = asked.get(input.dataset["address"] ?? "") ?? "";
    }
  }, { signal, capture: true });
});

island("import-file", (root, signal) => {
  const input = root.querySelector<HTMLInputElement>('input[type="file"]');
  if (!input) return;
  const over = (event: DragEvent): void => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    root.dataset["over"] = "yes";
  };
  root.addEventListener("dragover", over, { signal });
  root.addEventListener("dragleave", () => delete root.dataset["over"], { signal });
  root.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    delete root.dataset["over"];
    input.files = event.dataTransfer.files;
  }, { signal });
});
