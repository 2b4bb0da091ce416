// What the telephone says of itself in the call bar: its state in words, the line's quality, its settings.
import { t } from "../texts";
import { onPhone, phone, type Phone, type PhoneState } from "./port";
import { openPanel } from "./panel";
import { softphone } from "./start";

const mounted = new WeakSet<Element>();

// The call bar survives visits, so that its places are filled once.
export function mountSlots(): void {
  for (const slot of document.querySelectorAll<HTMLElement>("[data-slot=line]")) mount(slot, mountLine);
  for (const slot of document.querySelectorAll<HTMLElement>("[data-slot=sound]")) mount(slot, mountSound);
}

function mount(slot: HTMLElement, how: (slot: HTMLElement, signal: AbortSignal) => void): void {
  if (mounted.has(slot)) return;
  mounted.add(slot);
  // It lives as long as the page.
  how(slot, new AbortController().signal);
}

// Every phone of the page, one after the other.
function follow(draw: (state: PhoneState) => void, signal: AbortSignal): void {
  let before: AbortController | undefined;
  onPhone((now: Phone) => {
    before?.abort();
    before = new AbortController();
    now.on(draw, before.signal);
  }, signal);
}

function mountLine(slot: HTMLElement, signal: AbortSignal): void {
  slot.classList.add("ph");
  const dot = document.createElement("i");
  dot.className = "ph-dot";
  dot.ariaHidden = "true";
  const words = document.createElement("span");
  words.className = "ph-words";
  words.role = "status";
  const act = document.createElement("button");
  act.type = "button";
  act.className = "ph-act";
  act.hidden = true;
  act.addEventListener("click", () => {
    if (phone().state.line === "elsewhere") void phone().takeOver();
    else softphone()?.again();
  }, { signal });
  slot.append(dot, words, act);
  follow((state) => {
    slot.dataset["line"] = state.line;
    slot.dataset["quality"] = state.quality ?? "";
    slot.dataset["trouble"] = state.trouble ?? "";
    words.textContent = sentence(state);
    words.title = state.trouble ? t(`phone.help.${state.trouble}`) : "";
    act.hidden = !(state.line === "elsewhere" || state.line === "failed");
    act.textContent = t(state.line === "elsewhere" ? "phone.take_over" : "phone.again");
  }, signal);
}

// One short sentence: what is wrong first, then how the line is.
export function sentence(state: PhoneState): string {
  if (state.kind === "desk") return t("phone.line.desk");
  if (state.trouble) return t(`phone.trouble.${state.trouble}`);
  if (state.line === "ringing" && softphone()?.bellBlocked) return t("phone.bell_blocked");
  if (state.line === "talking" && state.muted) return t("phone.muted");
  if (state.line === "talking" && state.quality && state.quality !== "good") return t(`phone.quality.${state.quality}`);
  return t(`phone.line.${state.line}`);
}

function mountSound(slot: HTMLElement, signal: AbortSignal): void {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "ph-sound";
  button.title = t("phone.panel.title");
  button.setAttribute("aria-haspopup", "dialog");
  button.textContent = t("phone.panel.open");
  button.addEventListener("click", () => openPanel(), { signal });
  slot.append(button);
}
