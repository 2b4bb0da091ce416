// Appointments: choosing a time, steps with one, and the small forms of slots.
import { visit } from "@hotwired/turbo";
import { moment } from "./aftercall/shapes";
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

const text = (root: HTMLElement, name: string): string => root.querySelector<HTMLInputElement>(`[name="${name}"]`)?.value ?? "";
const ticked = (root: HTMLElement, name: string): boolean => root.querySelector<HTMLInputElement>(`[name="${name}"]`)?.checked ?? false;

// What is asked about shows its times at once; the button is for those who have no script.
island("appointment-asked", (root, signal) => {
  const form = root as HTMLFormElement;
  form.addEventListener("change", () => form.requestSubmit(), { signal });
});

island("appointment-print", (root, signal) => {
  root.addEventListener("click", () => window.print(), { signal });
});

island("appointment-new", (root, signal) => {
  const send = root.querySelector<HTMLButtonElement>("[data-send]")!;
  const chosen = root.querySelector<HTMLElement>("[data-chosen]")!;
  const over = root.querySelector<HTMLInputElement>('[name="over_at"]');
  const data = root.dataset;
  // One key a choice: the same choice sent twice books once.
  let once = crypto.randomUUID();
  const at = (): [string, string | null] | null => {
    // The house's time, wherever the browser is.
    const beyond = over?.value && text(root, "overbook_reason").trim() ? moment(over.value.replace("T", " ")) : null;
    if (beyond) return [beyond, null];
    const time = root.querySelector<HTMLInputElement>('[name="at"]:checked');
    const [start, lane] = time?.value.split("~") ?? [];
    return start ? [start, lane ?? null] : null;
  };
  const look = (): void => {
    const time = at();
    send.disabled = !time;
    const label = root.querySelector<HTMLElement>('[name="at"]:checked + span');
    const day = label?.closest("fieldset")?.querySelector("legend")?.textContent ?? "";
    const said = label && [...label.childNodes].map((part) => part.textContent?.trim()).join(" ");
    chosen.textContent = time ? `${day} ${said ?? over?.value.replace("T", " ") ?? ""}`.trim() : t("appointments.choose_time");
    once = crypto.randomUUID();
  };
  root.addEventListener("change", look, { signal });
  root.addEventListener("input", look, { signal });
  look();
  let sending = false;
  send.addEventListener("click", async () => {
    const time = at();
    if (sending || !time) return;
    sending = true;
    send.disabled = true;
    const reason = over?.value ? text(root, "overbook_reason") : "";
    try {
      if (data["move"]) {
        await ask(`/api/v1/appointments/${data["move"]}/steps`, { body: { step: "move", version: Number(data["version"]), starts_at: time[0], lane_id: time[1], workshop_id: data["shop"], overbook_reason: reason, in_call: Boolean(data["call"]) }, signal });
        notice(t("appointments.done.move"));
        visit(`/appointments/${data["move"]}`, { action: "replace" });
        return;
      }
      const made = await ask<{ id: string }>("/api/v1/appointments", { once, body: {
        work: data["work"], workshop_id: data["shop"], starts_at: time[0], lane_id: time[1], customer_id: data["customer"],
        vehicle_id: data["vehicle"] || null, call_id: data["call"] || null, contact_id: data["contact"] || null, rebooked_from: data["again"] || null,
        words: text(root, "words"), parts: text(root, "parts"), model: text(root, "model"), place: text(root, "place"), documents: text(root, "documents"),
        campaign: text(root, "campaign"), licence_checked: ticked(root, "licence_checked"), overbook_reason: reason,
      }, signal });
      notice(t("appointments.done.book"));
      visit(`/appointments/${made.id}`, { action: "replace" });
    } catch (error) {
      told(root, error);
      sending = false;
      const gone = root.querySelector<HTMLInputElement>('[name="at"]:checked');
      // Somebody was faster: that time is off the page, what was typed stays.
      if (error instanceof Refusal && error.errorId === "appointment-time-taken" && gone && time[1] !== null) {
        gone.checked = false;
        gone.disabled = true;
        look();
      } else send.disabled = false;
    }
  }, { signal });
});

island("appointment-one", (root, signal) => {
  const path = `/api/v1/appointments/${root.dataset["id"]}`;
  let sending = false;
  const step = async (body: Record<string, unknown>): Promise<void> => {
    if (sending) return;
    sending = true;
    try {
      await ask(`${path}/steps`, { body: { version: Number(root.dataset["version"]), in_call: ticked(root, "in_call"), ...body }, signal });
      notice(t(`appointments.done.${String(body["step"])}`));
      visit(location.pathname, { action: "replace" });
    } catch (error) {
      told(root, error);
      sending = false;
    }
  };
  root.addEventListener("click", async (event) => {
    const button = (event.target as HTMLElement).closest<HTMLButtonElement>("button");
    if (button?.dataset["step"]) await step({ step: button.dataset["step"], words: text(root, "words") });
    if (button && "link" in button.dataset) {
      button.disabled = true;
      try {
        const made = await ask<{ path: string }>(`${path}/link`, { body: {}, signal });
        const shown = root.querySelector<HTMLElement>("[data-linked]")!;
        shown.hidden = false;
        const input = shown.querySelector("input")!;
        input.value = location.origin + made.path;
        input.select();
      } catch (error) { told(root, error); }
      button.disabled = false;
    }
  }, { signal });
  const form = root.querySelector<HTMLFormElement>("[data-change]");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body: Record<string, unknown> = { step: "change" };
    for (const name of ["customer_words", "parts", "place", "documents"]) {
      const input = form.querySelector<HTMLInputElement>(`[name="${name}"]`);
      // What was shown may be masked: unchanged, it stays as it is.
      if (input && input.value !== input.defaultValue) body[name] = input.value;
    }
    if (form.querySelector('[name="licence_checked"]')) body["licence_checked"] = ticked(form, "licence_checked");
    await step(body);
  }, { signal });
});

// A form whose fields are the body: numbers, times of day as minutes, ticks, lists of ticks.
island("appointment-form", (root, signal) => {
  const form = root as HTMLFormElement;
  let sending = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (sending) return;
    const body: Record<string, unknown> = {};
    for (const input of form.querySelectorAll<HTMLInputElement | HTMLSelectElement>("[name]")) {
      if (input instanceof HTMLInputElement && input.type === "checkbox") {
        if (input.name === "works" || input.name === "weekdays") {
          const many = (body[input.name] ??= []) as unknown[];
          if (input.checked) many.push("number" in input.dataset ? Number(input.value) : input.value);
        } else body[input.name] = input.checked;
      } else if (input.type === "time") {
        const [hours, minutes] = input.value.split(":");
        body[input.name] = input.value ? Number(hours) * 60 + Number(minutes) : null;
      } else if (input.type === "number" || "number" in input.dataset) body[input.name] = Number(input.value);
      else body[input.name] = input.name.endsWith("_id") ? input.value || null : input.value;
    }
    sending = true;
    try {
      await ask(form.dataset["path"]!, { body, signal });
      notice(t("appointments.saved"));
      visit(location.pathname, { action: "replace" });
    } catch (error) {
      told(form, error);
      sending = false;
    }
  }, { signal });
});
