// Who may be on record twice: said to be two, made one with a choice of what is kept, and undone.
import { visit } from "@hotwired/turbo";
import { Refusal, ask } from "./ask";
import { island } from "./islands";
import { notice } from "./notices";
import { t } from "./texts";

interface Merged { id: string; survivor_id: string; name: string; not_restored: { what: string; why: string; count: number }[] }

function words(error: unknown): string {
  return error instanceof Refusal ? error.detail : t("groups.away");
}

async function different(one: string, other: string, signal: AbortSignal): Promise<void> {
  await ask("/api/v1/duplicates/different", { body: { one_id: one, other_id: other }, signal });
  notice(t("duplicates.said_different"));
}

async function undo(id: string): Promise<void> {
  try {
    const undone = await ask<Merged>(`/api/v1/merges/${id}/undo`, { method: "POST" });
    const left = undone.not_restored.reduce((sum, one) => sum + one.count, 0);
    notice(left ? t("duplicates.undone_but", { count: left }) : t("duplicates.undone_all"), { kind: left ? "trouble" : "done" });
    visit("/duplicates/merges", { action: "replace" });
  } catch (error) { notice(words(error), { kind: "trouble" }); }
}

island("duplicates", (root, signal) => {
  root.addEventListener("click", async (event) => {
    const button = (event.target as HTMLElement).closest<HTMLElement>("[data-act]");
    const row = button?.closest("tr");
    if (!button || !row) return;
    if (button.dataset["act"] === "undo") { await undo(row.dataset["merge"]!); return; }
    try {
      await different(row.dataset["one"]!, row.dataset["other"]!, signal);
      row.remove();
    } catch (error) { notice(words(error), { kind: "trouble" }); }
  }, { signal });
});

island("duplicates-compare", (root, signal) => {
  const trouble = root.querySelector<HTMLElement>("[data-trouble]")!;
  const own = root.dataset as Record<string, string>;
  root.addEventListener("click", async (event) => {
    const button = (event.target as HTMLElement).closest<HTMLButtonElement>("[data-act]");
    if (!button) return;
    button.disabled = true;
    try {
      if (button.dataset["act"] === "different") {
        await different(own["survivor"]!, own["merged"]!, signal);
        visit("/duplicates", { action: "replace" });
        return;
      }
      const choices: Record<string, string> = {};
      for (const one of root.querySelectorAll<HTMLInputElement>("input:checked")) choices[one.name] = one.value;
      const made = await ask<Merged>("/api/v1/merges", { body: { survivor_id: own["survivor"], merged_id: own["merged"], choices, survivor_version: Number(own["survivorVersion"]), merged_version: Number(own["mergedVersion"]) }, signal });
      notice(t("duplicates.merged", { name: made.name }), { undo: () => void undo(made.id) });
      visit("/duplicates", { action: "replace" });
    } catch (error) {
      trouble.textContent = words(error);
      trouble.hidden = false;
      button.disabled = false;
    }
  }, { signal });
});
