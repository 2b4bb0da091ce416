// What managers tell, on the idle desk: drawn by the service, looked at again when it changes and every minute.
import { ask } from "./ask";
import { complain } from "./desk_callbar";
import { island } from "./islands";
import { listen } from "./live";
import { notice } from "./notices";
import { t } from "./texts";

island("bulletins", (root, signal) => {
  const frame = root.querySelector("turbo-frame");
  if (!frame) return;
  const unread = (): string[] => [...frame.querySelectorAll<HTMLElement>("button[data-bulletin]")].map((one) => one.dataset["bulletin"] ?? "");
  let known = unread();
  function look(): void {
    // Nothing is drawn anew under somebody's keys.
    if (frame?.contains(document.activeElement)) return;
    frame?.removeAttribute("src");
    frame?.setAttribute("src", "/desk/bulletins");
  }
  async function mark(button: HTMLButtonElement): Promise<void> {
    button.disabled = true;
    try {
      await ask(`/api/v1/bulletins/${button.dataset["bulletin"]}/read`, { body: { version: Number(button.dataset["version"]) } });
    } catch (error) { complain(error); }
    button.blur();
    look();
  }
  root.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLButtonElement>("button[data-bulletin]");
    if (button && !button.disabled) void mark(button);
  }, { signal });
  // What changed under somebody's keys is drawn once they are elsewhere.
  root.addEventListener("focusout", (event) => {
    if (!frame.contains(event.relatedTarget as Node | null)) window.setTimeout(look);
  }, { signal });
  root.addEventListener("turbo:frame-load", () => {
    const now = unread();
    if (now.some((one) => !known.includes(one))) notice(t("bulletins.arrived"));
    known = now;
  }, { signal });
  root.addEventListener("turbo:frame-missing", (event) => event.preventDefault(), { signal });
  listen("bulletin", look, signal);
  const minute = window.setInterval(look, 60_000);
  signal.addEventListener("abort", () => clearInterval(minute));
});
