// What the editor of questionnaires and filling them in share: their shapes, and small pieces of pages.
import { house } from "./house";

export type Saying = Partial<Record<"zh-CN" | "en", string>>;
export interface Option { code: string; label: Saying; points?: number | null; dissatisfied?: boolean; alone?: boolean }
export interface Condition { question: string; op: string; options?: string[]; value?: number | null }
export interface When { match?: "all" | "any"; conditions: Condition[] }
export interface CaseRule { kind: string; grade: string; department: string }
export interface Question {
  code: string; kind: string; text: Saying; help?: Saying; required?: boolean; show?: When | null; end?: When | null;
  options?: Option[]; least?: number | null; most?: number | null; least_label?: Saying; most_label?: Saying; unit?: Saying;
  decimals?: number; nps?: boolean; odometer?: boolean; weight?: number; weak_below?: number | null;
  dissatisfied_below?: number | null; case?: CaseRule | null; sound?: string;
}
export interface Questionnaire {
  code: string; label: Saying; purpose: string; plan?: Record<string, string>; opening?: Saying; closing?: Saying;
  questions: Question[]; case?: CaseRule | null; dissatisfied_below?: number | null; channels?: string[];
}
export type Given = string | number | string[] | null;

export function words(said: Saying | undefined, language: string): string {
  return said?.[language as "en"] || said?.["zh-CN"] || said?.en || "";
}

export function mine(): string {
  return house()?.language ?? "zh-CN";
}

type Child = Node | string | null | undefined | false;

export function make<K extends keyof HTMLElementTagNameMap>(
  name: K, attributes: Record<string, string | boolean | undefined> = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    made.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children) if (child) made.append(child);
  return made;
}
