// Click to dial from every number of every page: <button data-dial="…">, <button data-dial-call="…">, <a href="tel:…">,
// and, for those who may not read it, <button data-dial-customer="id" data-dial-place="0">.
// The service dials (destinations, pace, record); a double click is one call, because its key is the same.
import { ask, Refusal } from "../ask";
import { notice } from "../notices";
import { maybe, t } from "../texts";
import { softphone } from "./start";

// Two clicks on one number within this are one wish.
const ONE_WISH = 5000;
const keys = new Map<string, { key: string; at: number }>();

// The key of a wish to call: the same for a second click on the same thing.
export function keyOf(what: string): string {
  const known = keys.get(what);
  if (known && Date.now() - known.at < ONE_WISH) return known.key;
  const fresh = { key: crypto.randomUUID(), at: Date.now() };
  keys.set(what, fresh);
  return fresh.key;
}

// Nobody knows whether the service has heard of the wish: the next click, as soon after, is the same one.
export function unanswered(what: string): void {
  const known = keys.get(what);
  if (known) known.at = Date.now();
}

// Ring this person's telephone, then the number. Gives the call's id; says why not, and gives null.
export async function dial(to: { number: string } | { call_id: string } | { customer_id: string; place: number }): Promise<string | null> {
  try {
    const made = await ask<{ call_id: string }>("/api/v1/calls", { body: to, once: keyOf(JSON.stringify(to)) });
    softphone()?.expect(made.call_id);
    return made.call_id;
  } catch (error) {
    if (!(error instanceof Refusal)) unanswered(JSON.stringify(to));
    const why = error instanceof Refusal
      ? (maybe(`phone.refused.${String(error.problem["rule"] ?? "")}`) ?? maybe(`phone.refused.${error.errorId}`) ?? error.detail)
      : t("phone.refused.away");
    notice(t("phone.dial.failed", { why }), { kind: "trouble" });
    return null;
  }
}

export function startDialing(): void {
  document.addEventListener("click", (event) => {
    const from = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-dial], [data-dial-call], [data-dial-customer], a[href^='tel:']") : null;
    if (!from) return;
    event.preventDefault();
    const call = from.dataset["dialCall"];
    const number = from.dataset["dial"] ?? decodeURIComponent((from.getAttribute("href") ?? "").slice(4));
    const customer = from.dataset["dialCustomer"];
    if (!call && !number && !customer) return;
    from.ariaBusy = "true";
    const to = customer ? { customer_id: customer, place: Number(from.dataset["dialPlace"] ?? 0) } : call ? { call_id: call } : { number };
    void dial(to).then((made) => {
      from.ariaBusy = null;
      if (made) notice(t("phone.dial.begun"));
    });
  });
}
