// Fields for days and moments. A browser writes them in its own language, whatever the page's is: here they are texts,
// 2026-01-31 or 2026-01-31 15:30 as everybody in the house reads them, with the browser's calendar behind a button.
import { dayText } from "./days";
import { t } from "./texts";

const KINDS = 'input[type="date"], input[type="datetime-local"]';
const known = new WeakSet<HTMLInputElement>();

function upgrade(field: HTMLInputElement): void {
  if (known.has(field) || field.classList.contains("native-date")) return;
  known.add(field);
  const moment = field.type === "datetime-local";
  const example = moment ? "2026-01-31 15:30" : "2026-01-31";
  // A text that is no day is not in the value of a browser's own field: it is kept, so that it can be mended.
  const value = field.value || field.getAttribute("value") || "";
  const native = document.createElement("input");
  native.type = field.type;
  native.className = "native-date";
  native.tabIndex = -1;
  native.setAttribute("aria-hidden", "true");
  known.add(native);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain pick-date";
  button.title = t("dates.choose");
  button.setAttribute("aria-label", t("dates.choose"));
  button.tabIndex = -1;
  field.type = "text";
  field.value = value.replace("T", " ");
  field.inputMode = "numeric";
  field.autocomplete = "off";
  field.maxLength = moment ? 16 : 10;
  field.size = moment ? 17 : 11;
  field.placeholder = t(moment ? "dates.moment" : "dates.day");
  field.pattern = moment ? "\\d{4}-\\d{2}-\\d{2} \\d{2}:\\d{2}" : "\\d{4}-\\d{2}-\\d{2}";
  field.title ||= t("dates.hint", { example });
  const box = document.createElement("span");
  box.className = "date-field";
  field.before(box);
  box.append(field, button, native);
  button.addEventListener("click", () => {
    native.value = field.value.replace(" ", "T");
    try { native.showPicker(); } catch { field.focus(); }
  });
  native.addEventListener("change", () => {
    field.value = native.value.replace("T", " ");
    for (const kind of ["input", "change"]) field.dispatchEvent(new Event(kind, { bubbles: true }));
  });
  // What is no day stays as it was typed and is said to be none; a form that asks the browser is not sent with it.
  const judge = (): boolean => {
    const wrong = field.value.trim() !== "" && dayText(field.value, moment) === null;
    field.setCustomValidity(wrong ? t("dates.wrong", { example }) : "");
    return wrong;
  };
  judge();
  field.addEventListener("input", () => field.setCustomValidity(""));
  // 2026/1/5 and 20260105 are days, too; whoever listens to what is typed hears of the day they became.
  field.addEventListener("change", () => {
    const written = dayText(field.value, moment);
    if (written !== null && written !== field.value) {
      field.value = written;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    if (judge()) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }, { capture: true });
}

function look(within: Element): void {
  if (within instanceof HTMLInputElement && within.matches(KINDS)) upgrade(within);
  for (const field of within.querySelectorAll<HTMLInputElement>(KINDS)) upgrade(field);
}

export function startDates(): void {
  look(document.documentElement);
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) if (node instanceof Element) look(node);
  }).observe(document.documentElement, { childList: true, subtree: true });
}
