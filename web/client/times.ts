// Times and spans as people read them, by the server's clock and the house's zone.
import { house } from "./house";

let skew: number | undefined;

// What the server's clock says, from the Date of an answer.
export function learn(moment: string | null): void {
  const at = moment ? Date.parse(moment) : NaN;
  if (Number.isFinite(at)) skew = Date.now() - at;
}

export function now(): number {
  const known = house();
  if (skew === undefined && known) skew = Date.now() - Date.parse(known.now);
  return Date.now() - (skew ?? 0);
}

// Seconds since a moment.
export function since(moment: string): number {
  return (now() - Date.parse(moment)) / 1000;
}

// 0:42, 12:05, 1:02:03
export function span(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const rest = String(whole % 60).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  return whole < 3600 ? `${minutes}:${rest}` : `${Math.floor(whole / 3600)}:${String(minutes).padStart(2, "0")}:${rest}`;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(language: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const zone = house()?.zone ?? "Asia/Shanghai";
  const key = language + zone + JSON.stringify(options);
  let made = formats.get(key);
  if (!made) {
    made = new Intl.DateTimeFormat(language, { timeZone: zone, ...options });
    formats.set(key, made);
  }
  return made;
}

// As `when`; what ends with a day is said as that day, not as the midnight after it.
export function until(moment: string): HTMLTimeElement {
  const at = new Date(moment);
  if (format("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(at) !== "00:00:00") return when(moment);
  const made = when(moment);
  const last = new Date(at.getTime() - 1000);
  const year = format("en-CA", { year: "numeric" });
  const other = year.format(last) !== year.format(now());
  made.textContent = format(house()?.language ?? "zh-CN", { month: "2-digit", day: "2-digit", ...(other ? { year: "numeric" } : {}) }).format(last);
  return made;
}

// The time of day at the house, with the date before it where it is not today, with seconds where they matter.
export function when(moment: string, exact = false): HTMLTimeElement {
  const language = house()?.language ?? "zh-CN";
  const made = document.createElement("time");
  const at = new Date(moment);
  made.dateTime = moment;
  const day = format("en-CA", {});
  if (day.format(at) !== day.format(now())) {
    const date = document.createElement("span");
    date.className = "day";
    const year = format("en-CA", { year: "numeric" });
    const other = year.format(at) !== year.format(now());
    date.textContent = format(language, { month: "2-digit", day: "2-digit", ...(other ? { year: "numeric" } : {}) }).format(at) + " ";
    made.append(date);
  }
  made.append(format(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(exact ? { second: "2-digit" } : {}) }).format(at));
  return made;
}

// Numbers of the house's own country are read in groups, as they are dialed there; all others as they are stored.
export function readable(number: string | null): string | null {
  const mobile = /^\+86(1[3-9]\d)(\d{4})(\d{4})$/.exec(number ?? "");
  if (mobile) return mobile.slice(1).join(" ");
  const service = /^\+86([48]00)(\d{3})(\d{4})$/.exec(number ?? "");
  if (service) return service.slice(1).join(" ");
  const fixed = /^\+86(10|2\d|[3-9]\d\d)(\d{3,4})(\d{4})$/.exec(number ?? "");
  return fixed ? "0" + fixed.slice(1).join(" ") : number;
}
