// Recordings in the page: loudness as a picture one can click, speed, steps of five seconds, marks, deletion.
import { Refusal, ask } from "../ask";
import { island, pageOf } from "../islands";
import { hotkey } from "../keys";
import { notice } from "../notices";
import { t } from "../texts";
import { readable, span } from "../times";
import { make } from "./shapes";

interface Mark { id: string; offset: number; note: string; by_name: string }
interface Sound { id: string; kind: "recording" | "voicemail"; seconds: number | null; number: string | null; customer_name: string | null; hold: boolean; playable: boolean; marks: Mark[] }
interface Page { items: Sound[]; may_download: boolean; may_delete: boolean; kind: "recording" | "voicemail" }

const SPEEDS = ["0.75", "1", "1.25", "1.5", "2"];
const STEP = 5;

export function reason(error: unknown): string {
  return error instanceof Refusal ? t("aftercall.trouble.refused", { why: error.detail }) : t("aftercall.trouble.away");
}

island("recordings", (root, signal) => {
  const page = pageOf<Page>(root);
  const box = root.querySelector<HTMLElement>('[data-part="player"]')!;
  const path = `/api/v1/${page.kind === "recording" ? "recordings" : "voicemails"}`;
  const audio = new Audio();
  audio.preload = "metadata";
  signal.addEventListener("abort", () => { audio.pause(); audio.removeAttribute("src"); audio.load(); });
  let sound: Sound | undefined;
  let peaks: number[] = [];
  let speed = "1";

  const length = (): number => (Number.isFinite(audio.duration) && audio.duration > 0 ? audio.duration : (sound?.seconds ?? 0));

  async function open(id: string): Promise<void> {
    const found = page.items.find((one) => one.id === id);
    if (!found) return;
    if (sound?.id === id) { toggle(); return; }
    sound = found;
    for (const row of root.querySelectorAll<HTMLElement>("tr[data-id]")) row.toggleAttribute("data-open", row.dataset["id"] === id);
    peaks = [];
    audio.src = `${path}/${id}/sound`;
    audio.playbackRate = Number(speed);
    build();
    audio.play().catch(() => { /* the browser wants a click first; the button is there */ });
    try {
      peaks = (await ask<{ peaks: number[] }>(`${path}/${id}/peaks`, { signal })).peaks;
      if (sound?.id === id) paint();
    } catch { /* a player without its picture is still a player */ }
  }

  function toggle(): void {
    if (audio.paused) void audio.play(); else audio.pause();
  }
  function step(seconds: number): void {
    audio.currentTime = Math.max(0, Math.min(length(), audio.currentTime + seconds));
  }

  function build(): void {
    const one = sound!;
    const button = (act: string, words: string, key: string, kind = ""): HTMLButtonElement => make("button", { type: "button", "data-do": act, ...(kind ? { class: kind } : {}) }, words, " ", make("kbd", {}, key));
    const rate = make("select", { "aria-label": t("recordings.speed") }, ...SPEEDS.map((value) => make("option", { value, ...(value === speed ? { selected: "" } : {}) }, `${value}×`)));
    rate.addEventListener("change", () => { speed = rate.value; audio.playbackRate = Number(speed); });
    const canvas = make("canvas", { class: "wave", tabindex: "0", role: "slider", "aria-label": t("recordings.position"), "aria-valuemin": "0" });
    canvas.addEventListener("pointerdown", (event) => {
      const area = canvas.getBoundingClientRect();
      audio.currentTime = ((event.clientX - area.left) / area.width) * length();
    });
    const acts = [
      button("toggle", t("recordings.play"), "Space", "primary"), button("back", t("recordings.back"), "←"), button("on", t("recordings.on"), "→"), rate,
      ...(page.kind === "recording" ? [button("mark", t("recordings.mark"), "M")] : []),
      ...(page.may_download ? [make("a", { class: "button", href: `${path}/${one.id}/sound?download=1`, download: "", "data-turbo": "false" }, t("recordings.download"))] : []),
      ...(page.may_delete && !one.hold ? [make("button", { type: "button", "data-do": "delete", class: "danger" }, t("recordings.delete"))] : []),
    ];
    box.replaceChildren(
      make("header", {}, make("h2", {}, one.customer_name ?? readable(one.number) ?? t("calls.hidden")), make("span", { class: "figure", "data-clock": "" }, `0:00 / ${span(one.seconds ?? 0)}`)),
      canvas, make("div", { class: "filter" }, ...acts), make("ul", { class: "marks", "data-part": "marks" }), make("p", { class: "error", role: "alert", hidden: "", "data-error": "" }));
    box.hidden = false;
    drawMarks();
    paint();
    box.querySelector<HTMLElement>('[data-do="toggle"]')?.focus();
  }

  function drawMarks(): void {
    const list = box.querySelector<HTMLElement>('[data-part="marks"]')!;
    list.replaceChildren(...sound!.marks.map((mark) => {
      const go = make("button", { type: "button", class: "plain" }, make("b", { class: "figure" }, span(mark.offset) || "0:00"), " ", mark.note, " ", make("span", { class: "quiet" }, mark.by_name));
      go.addEventListener("click", () => { audio.currentTime = mark.offset; void audio.play(); });
      return make("li", {}, go);
    }));
  }

  function paint(): void {
    const canvas = box.querySelector("canvas");
    if (!canvas) return;
    const { width, height } = canvas.getBoundingClientRect();
    const scale = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * scale)) { canvas.width = Math.round(width * scale); canvas.height = Math.round(height * scale); }
    const pen = canvas.getContext("2d");
    if (!pen) return;
    const style = getComputedStyle(document.documentElement);
    const part = length() ? audio.currentTime / length() : 0;
    pen.clearRect(0, 0, canvas.width, canvas.height);
    const bars = peaks.length || 120;
    for (let place = 0; place < bars; place++) {
      const tall = Math.max(2, ((peaks[place] ?? 4) / 100) * canvas.height);
      pen.fillStyle = style.getPropertyValue(place / bars < part ? "--accent" : "--line");
      pen.fillRect((place / bars) * canvas.width, (canvas.height - tall) / 2, Math.max(1, canvas.width / bars - scale), tall);
    }
    pen.fillStyle = style.getPropertyValue("--warn");
    for (const mark of sound?.marks ?? []) if (length()) pen.fillRect((mark.offset / length()) * canvas.width, 0, 2 * scale, canvas.height);
    canvas.setAttribute("aria-valuemax", String(Math.round(length())));
    canvas.setAttribute("aria-valuenow", String(Math.round(audio.currentTime)));
    canvas.setAttribute("aria-valuetext", span(audio.currentTime) || "0:00");
    const clock = box.querySelector<HTMLElement>("[data-clock]");
    if (clock) clock.textContent = [span(audio.currentTime), span(length())].join(" / ");
    const main = box.querySelector<HTMLElement>('[data-do="toggle"]');
    if (main?.firstChild) main.firstChild.textContent = audio.paused ? t("recordings.play") : t("recordings.pause");
  }

  // One line to fill in before something is done.
  function asking(title: string, label: string, go: string, danger: boolean, act: (words: string) => Promise<void>): void {
    const input = make("input", { name: "words", maxlength: "200", required: "", autocomplete: "off" });
    const error = make("p", { class: "error", role: "alert", hidden: "" });
    const dialog = make("dialog", { class: "ask" }, make("h2", {}, title),
      make("form", { method: "dialog", class: "ac-form" }, make("div", { class: "field" }, make("label", {}, label, input)), error,
        make("div", { class: "ac-foot" }, make("button", { class: danger ? "danger" : "primary" }, go), make("button", { type: "button", "data-end": "" }, t("aftercall.cancel")))));
    dialog.querySelector("[data-end]")!.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    let busy = false;
    dialog.querySelector("form")!.addEventListener("submit", (event) => {
      event.preventDefault();
      if (busy) return;
      busy = true;
      act(input.value.trim()).then(() => dialog.close()).catch((refused: unknown) => { busy = false; error.textContent = reason(refused); error.hidden = false; });
    });
    document.body.append(dialog);
    dialog.showModal();
    input.focus();
  }

  function mark(): void {
    if (!sound || page.kind !== "recording") return;
    const one = sound;
    const offset = Math.round(audio.currentTime * 10) / 10;
    asking(t("recordings.mark_at", { time: span(offset) || "0:00" }), t("recordings.note"), t("recordings.mark"), false, async (note) => {
      one.marks = [...one.marks, await ask<Mark>(`${path}/${one.id}/marks`, { body: { offset, note } })].sort((a, b) => a.offset - b.offset);
      if (sound === one) { drawMarks(); paint(); }
      const place = root.querySelector<HTMLElement>(`tr[data-id="${one.id}"] [data-marks]`);
      place?.replaceChildren(make("span", { class: "badge" }, t("recordings.marks", { count: one.marks.length })));
    });
  }

  function remove(): void {
    const one = sound;
    if (!one) return;
    asking(t("recordings.delete_ask"), t("recordings.delete_why"), t("recordings.delete"), true, async (words) => {
      await ask(`${path}/${one.id}/delete`, { body: { reason: words } });
      audio.pause();
      box.hidden = true;
      sound = undefined;
      const row = root.querySelector<HTMLElement>(`tr[data-id="${one.id}"]`);
      row?.querySelector("[data-play]")?.remove();
      row?.querySelector("[data-marks]")?.replaceChildren(make("span", { class: "badge", "data-kind": "bad" }, t("recordings.state.deleted")));
      notice(t("recordings.deleted"));
    });
  }

  const ACTS: Record<string, () => void> = { toggle, back: () => step(-STEP), on: () => step(STEP), mark, delete: remove };
  root.addEventListener("click", (event) => {
    const target = event.target as Element;
    const play = target.closest<HTMLElement>("[data-play]")?.dataset["play"];
    if (play) void open(play);
    ACTS[target.closest<HTMLElement>("[data-do]")?.dataset["do"] ?? ""]?.();
  }, { signal });
  for (const name of ["timeupdate", "play", "pause", "loadedmetadata", "seeked"]) audio.addEventListener(name, paint, { signal });
  audio.addEventListener("error", () => {
    const error = box.querySelector<HTMLElement>("[data-error]");
    if (error && sound) { error.textContent = t("recordings.unplayable"); error.hidden = false; }
  }, { signal });
  addEventListener("resize", paint, { signal });
  hotkey(" ", "recordings.key.toggle", (event) => { if (sound && !(event.target as Element).closest("button, a, summary")) { event.preventDefault(); toggle(); } }, signal);
  hotkey("ArrowLeft", "recordings.key.back", () => { if (sound) step(-STEP); }, signal);
  hotkey("ArrowRight", "recordings.key.on", () => { if (sound) step(STEP); }, signal);
  hotkey("m", "recordings.key.mark", (event) => { if (sound) { event.preventDefault(); mark(); } }, signal);
});
