// Links to surveys on a customer's or contact's page: made, copied, taken back.
import { Refusal, ask } from "./ask";
import { island } from "./islands";
import { notice } from "./notices";
import { t } from "./texts";

island("survey-offers", (root, signal) => {
  let sending = false;

  function told(error: unknown): void {
    const line = root.querySelector<HTMLElement>("[data-trouble]");
    if (!line || signal.aborted) return;
    line.hidden = !error;
    line.textContent = !error ? "" : error instanceof Refusal && error.detail ? error.detail : t("surveys.away");
  }

  // The list as it is now; the link that was just shown stays where it is.
  async function lines(): Promise<void> {
    const answer = await fetch(location.href, { signal, credentials: "same-origin" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-offers]");
    if (fresh && !signal.aborted) root.querySelector("[data-offers]")?.replaceWith(fresh);
  }

  async function act(button: HTMLButtonElement, work: () => Promise<void>): Promise<void> {
    if (sending) return;
    sending = true;
    button.disabled = true;
    told(null);
    try { await work(); } catch (error) { told(error); }
    button.disabled = false;
    sending = false;
  }

  root.querySelector<HTMLFormElement>("[data-offer]")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const given = new FormData(form);
    void act(form.querySelector("button")!, async () => {
      const made = await ask<{ path: string; address: string }>("/api/v1/survey-links", {
        body: { questionnaire: given.get("questionnaire"), customer_id: root.dataset["customer"], vehicle_id: given.get("vehicle_id") || null, contact_id: root.dataset["contact"] || null },
        signal,
      });
      const place = root.querySelector<HTMLElement>("[data-made]")!;
      const field = place.querySelector<HTMLInputElement>("[data-address]")!;
      place.hidden = false;
      field.value = made.address || location.origin + made.path;
      field.select();
      await lines().catch(() => undefined);
    });
  }, { signal });

  root.addEventListener("click", (event) => {
    const target = event.target as Element;
    const copy = target.closest<HTMLButtonElement>("[data-copy]");
    if (copy) {
      const field = root.querySelector<HTMLInputElement>("[data-address]")!;
      field.select();
      // A page without https has no clipboard.
      const done = navigator.clipboard ? navigator.clipboard.writeText(field.value) : Promise.reject(new Error("no clipboard"));
      done.then(() => notice(t("surveyoffer.copied")), () => notice(t(document.execCommand("copy") ? "surveyoffer.copied" : "surveyoffer.copy_by_hand")));
      return;
    }
    const revoke = target.closest<HTMLButtonElement>("[data-revoke]");
    if (revoke) {
      void act(revoke, async () => {
        await ask(`/api/v1/survey-links/${revoke.dataset["revoke"] ?? ""}/revoke`, { body: {}, signal });
        notice(t("surveyoffer.revoked"));
        root.querySelector<HTMLElement>("[data-made]")?.setAttribute("hidden", "");
        await lines();
      });
    }
  }, { signal });
});
