// The page of tasks: claim, give back, close with a result, give to somebody. Each says what happened; the list follows.
import { visit } from "./visit";
import { Refusal, ask } from "../ask";
import { island, pageOf } from "../islands";
import { notice } from "../notices";
import { t } from "../texts";
import { make } from "./shapes";

function again(): void {
  visit(location.pathname + location.search, { action: "replace" });
}

function words(error: unknown): string {
  if (!(error instanceof Refusal)) return t("aftercall.trouble.away");
  const holder = error.problem["holder"];
  return typeof holder === "string" && holder ? t("tasks.taken", { name: holder }) : t("aftercall.trouble.refused", { why: error.detail });
}

island("tasks", (root, signal) => {
  const { people } = pageOf<{ people: Record<string, string> }>(root);

  async function act(path: string, body: unknown, done: string): Promise<void> {
    try {
      await ask(`/api/v1/tasks/${path}`, { body });
      notice(done);
      again();
    } catch (error) { notice(words(error), { kind: "trouble" }); }
  }

  function dialog(title: string, control: HTMLElement, label: string, go: string, send: () => void): void {
    const box = make("dialog", { class: "ask" }, make("h2", {}, title),
      make("form", { method: "dialog", class: "ac-form" }, make("div", { class: "field" }, make("label", {}, label, control)),
        make("div", { class: "ac-foot" }, make("button", { class: "primary" }, go), make("button", { type: "button", "data-end": "" }, t("aftercall.cancel")))));
    box.querySelector("[data-end]")!.addEventListener("click", () => box.close());
    box.querySelector("form")!.addEventListener("submit", send);
    box.addEventListener("close", () => box.remove());
    document.body.append(box);
    box.showModal();
    control.focus();
  }

  root.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLElement>("[data-act]");
    const id = button?.closest<HTMLElement>("[data-task]")?.dataset["task"];
    if (!button || !id) return;
    switch (button.dataset["act"]) {
      case "claim": void act(`${id}/claim`, {}, t("tasks.done.claim")); break;
      case "release": void act(`${id}/release`, {}, t("tasks.done.release")); break;
      case "close": {
        const result = make("textarea", { rows: "3", maxlength: "500", required: "" });
        dialog(t("tasks.close_ask"), result, t("tasks.result"), t("tasks.close"), () => void act(`${id}/close`, { result: result.value.trim() }, t("tasks.done.close")));
        break;
      }
      case "assign": {
        const owner = make("select", {}, make("option", { value: "" }, t("tasks.nobody")), ...Object.entries(people).map(([value, name]) => make("option", { value }, name)));
        dialog(t("tasks.assign_ask"), owner, t("tasks.owner"), t("tasks.assign"), () => void act(`${id}/assign`, { owner_id: owner.value || null }, t("tasks.done.assign")));
        break;
      }
    }
  }, { signal });
});
