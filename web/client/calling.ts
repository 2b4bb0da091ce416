// Calling through a campaign's list by hand: the next customer, the dial, and how long he is kept for this person.
import { visit } from "@hotwired/turbo";
import { ask, Refusal } from "./ask";
import { island } from "./islands";
import { listen } from "./live";
import { hotkey } from "./keys";
import { notice } from "./notices";
import { keyOf, unanswered } from "./phone/dial";
import { softphone } from "./phone/start";
import { maybe, t } from "./texts";
import { now as clock, span } from "./times";

function told(error: unknown): string {
  if (!(error instanceof Refusal)) return t("phone.refused.away");
  return maybe(`phone.refused.${String(error.problem["rule"] ?? "")}`) ?? error.detail;
}

// What a way of dialing has no use for is neither shown nor sent.
island("campaign-form", (root, signal) => {
  const mode = root.querySelector<HTMLSelectElement>('select[name="mode"]');
  const fit = (): void => {
    for (const part of root.querySelectorAll<HTMLElement>("[data-for]")) part.hidden = !(part.dataset["for"] ?? "").split(" ").includes(mode?.value ?? "");
  };
  mode?.addEventListener("change", fit, { signal });
  fit();
});

// A call that this person promised comes due: said on whatever page is open.
export function startCallBacks(): void {
  listen<{ name: string }>("callback", ({ name }) => notice(t("calling.alert", { name }), { kind: "trouble" }), new AbortController().signal);
}

island("calling", (root, signal) => {
  const again = (): void => visit(location.pathname, { action: "replace" });

  async function act(button: HTMLButtonElement, work: () => Promise<void>): Promise<void> {
    if (button.disabled) return;
    button.disabled = true;
    try { await work(); } catch (error) { notice(t("phone.dial.failed", { why: told(error) }), { kind: "trouble" }); } finally { button.disabled = false; }
  }

  root.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest<HTMLButtonElement>("button[data-next-of], button[data-dial-target], button[data-leave]") : null;
    if (!button) return;
    const { nextOf, dialTarget } = button.dataset;
    if (nextOf) {
      void act(button, async () => {
        const found = await ask<{ target: object | null }>(`/api/v1/campaigns/${nextOf}/next`, { body: {} });
        if (found.target) again();
        else notice(t("calling.nobody_now"));
      });
    } else if (dialTarget) {
      const what = `target:${dialTarget}`;
      void act(button, async () => {
        try {
          const made = await ask<{ call_id: string }>(`/api/v1/campaign-targets/${dialTarget}/dial`, { body: {}, once: keyOf(what) });
          softphone()?.expect(made.call_id);
          notice(t("phone.dial.begun"));
        } catch (error) {
          if (!(error instanceof Refusal)) unanswered(what);
          throw error;
        }
      });
    } else void act(button, async () => { await ask("/api/v1/me/calling/leave", { body: {} }); again(); });
  }, { signal });

  const left = root.querySelector<HTMLElement>("[data-until]");
  const until = Date.parse(left?.dataset["until"] ?? "");
  const beat = window.setInterval(() => {
    if (!left || Number.isNaN(until)) return;
    const seconds = Math.ceil((until - clock()) / 1000);
    left.textContent = span(Math.max(0, seconds));
    left.classList.toggle("overdue", seconds <= 15);
    // The customer is somebody else's now.
    if (seconds <= 0) { clearInterval(beat); again(); }
  }, 500);
  signal.addEventListener("abort", () => clearInterval(beat));

  hotkey("n", "calling.next", () => root.querySelector<HTMLElement>("[data-next-of]")?.click(), signal);
  hotkey("d", "calling.dial", () => root.querySelector<HTMLElement>(".cl-card [data-dial-target]")?.click(), signal);
});
