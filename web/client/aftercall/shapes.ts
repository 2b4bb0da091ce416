// What the API says about a call to file, and small pieces the panel's parts are built from.
import { dayText } from "../days";
import { house } from "../house";

export type Label = Record<string, string>;
export interface Reason { code: string; label: Label; below: Reason[] }
export interface FormField { code: string; label: Label; kind: "line" | "text" | "number" | "date" | "choice" | "yes_no"; required: boolean; options: { code: string; label: Label }[]; least: number | null; most: number | null; unit: Label | null }
export interface NextStep { code: string; label: Label; department: string; note_required: boolean }
export interface Form { call_type: string; label: Label; dispositions: string; reasons: Reason[]; customer_words: "required" | "optional"; fields: FormField[]; next_steps: NextStep[] }
export interface Disposition { code: string; label: Label; flags: string[] | null; note_least: number | null; below: Disposition[] }
export interface Sets { [name: string]: { name: string; label: Label; dispositions: Disposition[] } }

export interface Body {
  call_type: string; reason: string; customer_words: string; summary: string; disposition: string; callback_at: string;
  next_step: string; next_note: string; next_department: string; next_person: string;
  fields: Record<string, string | number | boolean>;
}
export interface Draft { revision: number; saved_at: string; body: Body }
export interface Version { version: number; at: string; by_name: string; why: string; content: Body & { callback_at: string | null } }
export interface Registration { id: string; call_id: string; versions: Version[]; tasks: string[] }
export interface Panel {
  call: { id: string; state: string; number: string | null; started_at: string; customer_id: string | null };
  forms: Form[]; sets: Sets; suggested: string; draft: Draft | null;
  others: { name: string; saved_at: string; body: Body }[];
  registration: Registration | null; may_file: boolean; may_correct: boolean;
  departments: Record<string, Label>; people: Record<string, string>;
}

export const EMPTY: Body = {
  call_type: "", reason: "", customer_words: "", summary: "", disposition: "", callback_at: "",
  next_step: "", next_note: "", next_department: "", next_person: "", fields: {},
};

export function said(label: Label | undefined): string {
  const language = house()?.language ?? "zh-CN";
  return label?.[language] ?? Object.values(label ?? {})[0] ?? "";
}

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K, values: Partial<Record<string, string>> = {}, ...inside: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(values)) if (value !== undefined) made.setAttribute(name, value);
  made.append(...inside);
  return made;
}

// A choice with its path, as a tree gives it.
export interface Leaf { code: string; group: string; words: string; flags: string[]; least: number }

export function leaves(below: (Reason | Disposition)[], group: string[] = [], flags: string[] = [], least = 0): Leaf[] {
  return below.flatMap((one) => {
    const own = "flags" in one && one.flags ? one.flags : flags;
    const note = "note_least" in one && one.note_least !== null ? one.note_least : least;
    return one.below.length
      ? leaves(one.below, [...group, said(one.label)], own, note)
      : [{ code: one.code, group: group.join(" · "), words: said(one.label), flags: own, least: note }];
  });
}

// Letters and digits only, as the service counts them.
export function weight(text: string): number {
  return [...text].filter((letter) => /[\p{L}\p{N}]/u.test(letter)).length;
}

function offset(at: number, zone: string): number {
  const parts = Object.fromEntries(
    new Intl.DateTimeFormat("en-US", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" })
      .formatToParts(at).map((part) => [part.type, part.value]),
  );
  return Date.UTC(Number(parts["year"]), Number(parts["month"]) - 1, Number(parts["day"]), Number(parts["hour"]), Number(parts["minute"]), Number(parts["second"])) - Math.floor(at / 1000) * 1000;
}

// "2026-06-16 15:30" at the house as a moment; nothing where it is none.
export function moment(local: string): string | null {
  const written = dayText(local, true);
  if (written === null) return null;
  const wall = Date.parse(`${written.replace(" ", "T")}:00Z`);
  const zone = house()?.zone ?? "Asia/Shanghai";
  return new Date(wall - offset(wall - offset(wall, zone), zone)).toISOString();
}

// A moment as the field for days and hours wants it, at the house.
export function local(at: string | null): string {
  if (!at || Number.isNaN(Date.parse(at))) return "";
  const zone = house()?.zone ?? "Asia/Shanghai";
  return new Date(Date.parse(at) + offset(Date.parse(at), zone)).toISOString().slice(0, 16);
}
