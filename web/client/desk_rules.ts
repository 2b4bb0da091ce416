// What the desk decides without a page: which buttons and which call. tests/unit/desk.test.ts asks it.
import type { Agent, Company, Phase } from "./desk_state";
import type { LineState } from "./phone/port";

// Whether there is something to answer. The line has the last word: it rings in a call, too, where the service
// brings the agent to it (a call back, a customer taken back from hold after a reload).
export function rings(phase: Phase, line: LineState): boolean {
  return phase === "ringing" || line === "ringing";
}

// Whether a pop is of another call than the one this person talks in or writes up: it takes neither the page nor the
// buttons, which belong to the customer he has.
export function foreign(agent: Agent | null, call: string): boolean {
  return !!agent && (agent.state === "on_call" || agent.state === "wrap_up") && agent.call_id !== null && agent.call_id !== call;
}

// Acts a while after it is asked, once for all who asked meanwhile. In a busy hour there is always another one who
// asks: the first sets the time.
export function throttled(wait: number, act: () => void, signal: AbortSignal): () => void {
  let soon: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(soon));
  return () => { soon ??= setTimeout(() => { soon = undefined; act(); }, wait); };
}

export type Handing = "consult" | "conference" | "transfer";
export interface Target {
  kind: "agent" | "queue" | "department"; name: string; label: string; own: boolean;
  state: Agent["state"] | null; ready: number | null; outside: boolean; orders: Handing[];
}

// Whom the typed words mean; the order stays the service's.
export function matching(targets: readonly Target[], wanted: string): Target[] {
  const words = wanted.trim().toLowerCase();
  return targets.filter((one) => one.label.toLowerCase().includes(words));
}

// How this person stands in the call: alone with the customer, asking a colleague, being asked by one, or all together.
// `consulting`: this page has just asked for it; the service says so a moment later.
export type Standing = "alone" | "consulting" | "asked" | "together" | "guest";
export function standing(company: Company | null, { talking, consulting }: { talking: boolean; consulting: boolean }): Standing {
  if (!talking) return "alone";
  if (company?.people.length) {
    if (!company.mine) return company.together ? "guest" : "asked";
    return company.together && !consulting ? "together" : "consulting";
  }
  return consulting ? "consulting" : "alone";
}
