// My numbers: tiles that open their rows, and two small plots with the number beside each bar.
import { visit } from "@hotwired/turbo";
import { house } from "./house";
import { t } from "./texts";
import { span } from "./times";

export interface Numbers {
  day: string; inbound: number; outbound: number; missed: number; talk_seconds: number; hold_seconds: number; wrapup_seconds: number;
  handle_seconds_inbound: number | null; handle_seconds_outbound: number | null; signed_in_seconds: number; ready_seconds: number;
  paused_seconds: number; first_sign_in: string | null; last_sign_out: string | null;
  by_hour: { begins: string; calls: number; talk_seconds: number; wrapup_seconds: number }[];
}

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 72;
const WIDTH = 360;

function tile(key: string, value: string, address = ""): HTMLElement[] {
  const name = document.createElement("dt");
  name.textContent = t(`desk.numbers.${key}`);
  const figure = document.createElement("dd");
  if (address) {
    const link = document.createElement("a");
    link.href = address;
    link.textContent = value;
    figure.append(link);
  } else figure.textContent = value;
  const box = document.createElement("div");
  box.append(name, figure);
  return [box];
}

function part(name: string, values: Record<string, string | number>, text = ""): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(values)) made.setAttribute(key, String(value));
  if (text) made.textContent = text;
  return made;
}

// Bars by hour; the second series stands on the first. Each hour opens its calls.
function plot(place: Element | null, day: string, hours: { hour: number; values: number[] }[], words: (values: number[]) => string): void {
  if (!place) return;
  if (!hours.length) {
    place.textContent = t("desk.numbers.none");
    return;
  }
  const first = Math.min(8, ...hours.map((one) => one.hour));
  const last = Math.max(18, ...hours.map((one) => one.hour));
  const most = Math.max(1, ...hours.map((one) => one.values.reduce((sum, value) => sum + value, 0)));
  const step = WIDTH / (last - first + 1);
  const svg = part("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT + 30}`, class: "bars" });
  svg.append(part("line", { x1: 0, x2: WIDTH, y1: HEIGHT + 14, y2: HEIGHT + 14, class: "axis" }));
  for (let hour = first; hour <= last; hour += 1) {
    const x = (hour - first) * step;
    if ((hour - first) % 2 === 0) svg.append(part("text", { x: x + step / 2, y: HEIGHT + 27, class: "tick" }, String(hour)));
    const found = hours.find((one) => one.hour === hour);
    if (!found) continue;
    // No <a> of SVG: its href is no text, which Turbo takes it for.
    const link = part("g", { role: "link", tabindex: 0, class: "open", "aria-label": `${hour}:00–${hour + 1}:00: ${words(found.values)}` });
    const open = (): void => visit(`/calls?mine=true&since=${day}&hour=${hour}`);
    link.addEventListener("click", open);
    link.addEventListener("keydown", (event) => { if ((event as KeyboardEvent).key === "Enter") { event.preventDefault(); event.stopPropagation(); open(); } });
    link.append(part("rect", { x, y: 0, width: step, height: HEIGHT + 30, class: "reach" }));
    let top = HEIGHT + 14;
    found.values.forEach((value, series) => {
      const height = (value / most) * HEIGHT;
      top -= height;
      link.append(part("rect", { x: x + step * 0.2, y: top, width: step * 0.6, height, class: `series-${series}` }));
    });
    link.append(part("text", { x: x + step / 2, y: top - 3, class: "value" }, words(found.values)));
    svg.append(link);
  }
  place.replaceChildren(svg);
}

export function drawNumbers(root: Element, numbers: Numbers): void {
  const find = (name: string): Element | null => root.querySelector(`[data-place="${name}"]`);
  const handled = numbers.handle_seconds_inbound ?? numbers.handle_seconds_outbound;
  const day = (only: string): string => `/desk/day?day=${numbers.day}${only && `&only=${only}`}`;
  const mine = `/calls?mine=true&since=${numbers.day}&until=${numbers.day}`;
  find("tiles")?.replaceChildren(
    ...tile("inbound", String(numbers.inbound), `${mine}&direction=received`),
    ...tile("outbound", String(numbers.outbound), `${mine}&direction=outbound`),
    ...tile("missed", String(numbers.missed), day("missed")),
    ...tile("talk", span(numbers.talk_seconds), mine),
    ...tile("wrapup", span(numbers.wrapup_seconds), day("wrap_up")),
    ...tile("handle", handled === null ? "–" : span(handled), handled === null ? "" : mine),
    ...tile("signed_in", span(numbers.signed_in_seconds), day("")),
    ...tile("ready", span(numbers.ready_seconds), day("ready")),
  );
  const zone = house()?.zone ?? "Asia/Shanghai";
  const hourOf = (moment: string): number => Number(new Intl.DateTimeFormat("en-GB", { hour: "2-digit", hourCycle: "h23", timeZone: zone }).format(new Date(moment)));
  plot(find("plot-calls"), numbers.day, numbers.by_hour.filter((one) => one.calls).map((one) => ({ hour: hourOf(one.begins), values: [one.calls] })), (values) => String(values[0] ?? 0));
  plot(find("plot-talk"), numbers.day, numbers.by_hour.map((one) => ({ hour: hourOf(one.begins), values: [one.talk_seconds / 60, one.wrapup_seconds / 60] })), (values) => String(Math.round(values.reduce((sum, value) => sum + value, 0))));
}
