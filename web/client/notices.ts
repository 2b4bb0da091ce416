// What just happened, said at the foot of the page; with an undo where there is one.
import { t } from "./texts";

export function notice(words: string, { kind = "done", undo }: { kind?: "done" | "trouble"; undo?: () => void } = {}): void {
  const place = document.getElementById("notices");
  if (!place) return;
  const line = document.createElement("div");
  line.className = "toast";
  line.dataset["kind"] = kind;
  const text = document.createElement("span");
  text.textContent = words;
  line.append(text);
  // The same thing done once more is said once more, not one below the other.
  if (!undo) for (const one of place.querySelectorAll<HTMLElement>(".toast")) if (one.dataset["kind"] === kind && one.dataset["words"] === words) one.remove();
  if (!undo) line.dataset["words"] = words;
  const end = (): void => line.remove();
  if (undo) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = t("notice.undo");
    button.addEventListener("click", () => { end(); undo(); });
    line.append(button);
  }
  const close = document.createElement("button");
  close.type = "button";
  close.className = "close";
  close.ariaLabel = t("detail.close");
  close.addEventListener("click", end);
  line.append(close);
  place.append(line);
  if (kind === "done") setTimeout(end, undo ? 8000 : 4000);
}
