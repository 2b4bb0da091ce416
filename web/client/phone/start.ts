// Which telephone this page has: the softphone, or the one on the desk. Asked once; kept while the page lives.
import { ask } from "../ask";
import { house, may } from "../house";
import { startDialing } from "./dial";
import { DeskPhone, usePhone, type PhoneState } from "./port";
import { mountSlots } from "./slots";
import type { Softphone } from "./softphone";

export type Kind = PhoneState["kind"];

interface Own { items: { endpoint: string; kind: Kind; chosen: boolean }[] }

let own: Own["items"] = [];
let soft: Softphone | undefined;
let person = "";

// The softphone, where this page has one.
export function softphone(): Softphone | undefined {
  return soft;
}

export function kinds(): Kind[] {
  return own.map((one) => one.kind);
}

export function kindNow(): Kind {
  return own.find((one) => one.chosen)?.kind ?? "desk";
}

async function put(kind: Kind): Promise<void> {
  soft?.end();
  soft = undefined;
  if (kind === "browser") {
    const { Softphone } = await import("./softphone");
    soft = new Softphone();
    usePhone(soft);
    soft.begin();
  } else usePhone(new DeskPhone());
}

// The other telephone from now on; the service rings that one. Raises Refusal in a call.
export async function useKind(kind: Kind): Promise<void> {
  own = (await ask<Own>("/api/v1/desk/phones", { body: { kind } })).items;
  await put(kindNow());
}

async function begin(): Promise<void> {
  const user = house()?.user.id ?? "";
  mountSlots();
  if (user === person) return;
  person = user;
  soft?.end();
  soft = undefined;
  if (!user || !may("desk.self") || !document.body.classList.contains("calls")) {
    usePhone(new DeskPhone());
    return;
  }
  for (let wait = 1000; person === user; wait = Math.min(wait * 2, 15_000)) {
    try {
      own = (await ask<Own>("/api/v1/desk/phones")).items;
      break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  if (person === user) await put(kindNow());
}

export function startPhone(): void {
  startDialing();
  document.addEventListener("turbo:load", () => void begin());
  document.addEventListener("careline:signed-out", () => soft?.end());
  void begin();
}
