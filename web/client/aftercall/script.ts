// What to say: one step at a time while talking, all of it while the phone rings. What is not known is asked for.
import { ask } from "../ask";
import { house } from "../house";
import { t } from "../texts";
import { type Label, make, said } from "./shapes";

interface Part { kind: "text" | "value" | "instead" | "hint"; text: string; place: string }
interface Spoken { name: string; label: Label; language: string; steps: { kind: string; parts: Part[] }[] }

export async function loadScript(call: string, callType: string, language: string): Promise<Spoken | null> {
  const query = new URLSearchParams();
  if (callType) query.set("call_type", callType);
  if (language) query.set("language", language);
  return (await ask<{ script: Spoken | null }>(`/api/v1/calls/${call}/script?${query}`)).script;
}

export function drawParts(parts: Part[]): (Node | string)[] {
  return parts.map((part) => {
    if (part.kind === "value") return make("b", {}, part.text);
    if (part.kind === "hint") return make("mark", { class: "hint-place" }, t("aftercall.script.ask", { what: t(`aftercall.place.${part.place.replace(".", "_")}`) }));
    return part.text;
  });
}

export function drawScript(root: HTMLElement, spoken: Spoken | null, again: (language: string) => void): void {
  if (!spoken) { root.replaceChildren(); return; }
  const other = spoken.language === "zh-CN" ? "en" : "zh-CN";
  const change = make("button", { type: "button", class: "plain", lang: other }, t(`aftercall.script.other.${other === "en" ? "english" : "chinese"}`));
  change.addEventListener("click", () => again(other));
  const steps = spoken.steps.map((step, place) =>
    make("li", place === 0 ? { "aria-current": "step" } : {},
      make("button", { type: "button", class: "plain ac-step", title: t(`aftercall.step.${step.kind}`) }, make("span", { class: "quiet" }, t(`aftercall.step.${step.kind}`)), make("p", { lang: spoken.language }, ...drawParts(step.parts)))),
  );
  const list = make("ol", { class: "ac-steps" }, ...steps);
  list.addEventListener("click", (event) => {
    const chosen = (event.target as Element).closest("li");
    if (!chosen) return;
    // What was said is done with: the next one opens.
    const next = chosen.hasAttribute("aria-current") ? (chosen.nextElementSibling ?? chosen) : chosen;
    for (const one of list.children) one.removeAttribute("aria-current");
    next.setAttribute("aria-current", "step");
  });
  root.replaceChildren(
    make("section", { class: "ac-script", "aria-label": t("aftercall.script.heading") },
      make("header", {}, make("h2", {}, said(spoken.label)), change), list),
  );
  if (spoken.language !== (house()?.language ?? "")) root.firstElementChild?.setAttribute("data-foreign", "");
}
