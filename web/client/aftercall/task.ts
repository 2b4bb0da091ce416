// A task from the call, in one step: for oneself, a colleague or a department.
import { Refusal, ask } from "../ask";
import { notice } from "../notices";
import { t } from "../texts";
import { type Panel, make, moment, said } from "./shapes";

const KINDS = ["callback", "follow_up", "inquiry", "correction", "other"] as const;

function field(name: string, label: string, control: HTMLElement): HTMLElement {
  control.id = `ac-task-${name}`;
  control.setAttribute("name", name);
  return make("div", { class: "field" }, make("label", { for: control.id }, label), control);
}

function options(pairs: [string, string][], none?: string): HTMLSelectElement {
  const made = make("select");
  if (none !== undefined) made.append(make("option", { value: "" }, none));
  for (const [value, words] of pairs) made.append(make("option", { value }, words));
  return made;
}

export function drawTask(root: HTMLElement, panel: Panel | null): void {
  if (!panel) { root.replaceChildren(make("p", { class: "quiet" }, t("aftercall.task.no_call"))); return; }
  const subject = make("textarea", { rows: "2", maxlength: "500", required: "" });
  const error = make("p", { class: "error", role: "alert", hidden: "" });
  const form = make("form", { class: "ac-form" },
    make("h2", {}, t("aftercall.task.heading")),
    field("kind", t("aftercall.task.kind"), options(KINDS.map((one) => [one, t(`tasks.kind.${one}`)]))),
    field("subject", t("aftercall.task.subject"), subject),
    field("department", t("aftercall.field.next_department"), options(Object.entries(panel.departments).map(([code, label]) => [code, said(label)]), t("aftercall.none"))),
    field("owner_id", t("aftercall.field.next_person"), options(Object.entries(panel.people), t("aftercall.anybody"))),
    field("due_at", t("aftercall.task.due"), make("input", { type: "datetime-local" })),
    make("p", { class: "quiet" }, t("aftercall.task.due_hint")), error,
    make("div", { class: "ac-foot" }, make("button", { class: "primary" }, t("aftercall.task.make"))));
  let key = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const values = new FormData(form);
    const word = (name: string): string | null => String(values.get(name) ?? "") || null;
    void (async () => {
      try {
        await ask("/api/v1/tasks", { once: key, body: { kind: word("kind"), subject: word("subject"), department: word("department"), owner_id: word("owner_id"), due_at: moment(word("due_at") ?? ""), call_id: panel.call.id } });
        key = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
        form.reset();
        error.hidden = true;
        notice(t("aftercall.task.made"));
      } catch (refused) {
        error.textContent = refused instanceof Refusal ? t("aftercall.trouble.refused", { why: refused.detail }) : t("aftercall.trouble.away");
        error.hidden = false;
      }
    })();
  });
  root.replaceChildren(form);
}
