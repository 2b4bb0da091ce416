// Orders to mend a record: raised, answered, checked, sent back, closed.
import { visit } from "@hotwired/turbo";
import { Refusal, ask } from "./ask";
import { island } from "./islands";
import { notice } from "./notices";
import { t } from "./texts";

function told(root: HTMLElement, error: unknown): void {
  const trouble = root.querySelector<HTMLElement>("[data-trouble]")!;
  trouble.textContent = error instanceof Refusal ? error.detail : t("groups.away");
  trouble.hidden = false;
  trouble.scrollIntoView({ block: "nearest" });
}

island("corrections-order", (root, signal) => {
  const value = root.querySelector<HTMLInputElement>('[name="value"]');
  const note = root.querySelector<HTMLTextAreaElement>('[name="note"]');
  root.querySelector("form")?.addEventListener("submit", (event) => event.preventDefault(), { signal });
  root.addEventListener("click", async (event) => {
    const button = (event.target as HTMLElement).closest<HTMLButtonElement>("[data-step]");
    if (!button) return;
    const step = button.dataset["step"]!;
    const theirs = step === "answer" || step === "refuse";
    // What was shown may be masked: unchanged, it is left to the service what the answer was.
    const shown = value && value.value !== root.dataset["answer"] ? value.value : "";
    const given = { version: Number(root.dataset["version"]), note: note?.value ?? "", value: shown };
    button.disabled = true;
    try {
      await ask(`/api/v1/corrections/${root.dataset["id"]}/${theirs ? "answer" : "steps"}`, { body: theirs ? { ...given, refuse: step === "refuse" } : { ...given, step }, signal });
      notice(t(`corrections.done.${step}`));
      visit(location.pathname, { action: "replace" });
    } catch (error) {
      told(root, error);
      button.disabled = false;
    }
  }, { signal });
});

island("corrections-new", (root, signal) => {
  const form = root.querySelector("form")!;
  const field = form.querySelector<HTMLSelectElement>('[name="field"]')!;
  const department = form.querySelector<HTMLSelectElement>('[name="department"]')!;
  const wrong = form.querySelector<HTMLInputElement>('[name="wrong_value"]')!;
  const place = root.dataset["place"];
  const usual = (): void => { department.value = field.selectedOptions[0]?.dataset["department"] ?? department.value; };
  field.addEventListener("change", usual, { signal });
  usual();
  let sending = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    // What was shown may be masked: unchanged, the service takes the number itself.
    const untouched = place !== undefined && field.value === "number" && wrong.value === wrong.defaultValue;
    const text = (name: string): string => form.querySelector<HTMLInputElement>(`[name="${name}"]`)!.value;
    if (sending) return; // a second click would raise a second order
    sending = true;
    try {
      const made = await ask<{ id: string }>("/api/v1/corrections", { body: {
        customer_id: root.dataset["customer"], vehicle_id: root.dataset["vehicle"] || null, call_id: root.dataset["call"] || null,
        field: field.value, department: department.value, wrong_value: text("wrong_value"), said: text("said"),
        number_place: untouched ? Number(place) : null,
      }, signal });
      notice(t("corrections.done.raise"));
      visit(`/corrections/${made.id}`, { action: "replace" });
    } catch (error) {
      told(root, error);
      sending = false;
    }
  }, { signal });
});
