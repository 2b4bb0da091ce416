// Two versions of a questionnaire side by side, in words: what was added, taken out, changed, question by question.
import { make, mine, words } from "./survey_parts";
import type { CaseRule, Option, Question, Questionnaire, Saying, When } from "./survey_parts";
import { maybe, t } from "./texts";

type Lines = Map<string, string>;
export type Departments = Record<string, Saying>;

// Languages one under the other: a change in either is a change.
function said(lines: Lines, label: string, saying: Saying | undefined): void {
  if (saying?.["zh-CN"]) lines.set(`${label} · ${t("surveys.lang.zh")}`, saying["zh-CN"]);
  if (saying?.en) lines.set(`${label} · ${t("surveys.lang.en")}`, saying.en);
}

function option(one: Option): string {
  const marks = [
    one.points === null || one.points === undefined ? "" : `${t("surveys.points")} ${one.points}`,
    one.dissatisfied ? t("surveys.dissatisfied") : "",
    one.alone ? t("surveys.alone") : "",
  ].filter(Boolean);
  return [one.label["zh-CN"], one.label.en].filter(Boolean).join(" / ") + (marks.length ? ` (${marks.join(", ")})` : "");
}

function condition(when: When, all: Questionnaire): string {
  const parts = when.conditions.map((one) => {
    const asked = all.questions.find((other) => other.code === one.question);
    const about = words(asked?.text, mine()) || one.question;
    const given = (one.options ?? []).map((code) => words(asked?.options?.find((other) => other.code === code)?.label, mine()) || code);
    if (one.value !== null && one.value !== undefined) given.push(String(one.value));
    return `“${about}” ${t(`surveys.op.${one.op}`)} ${given.join(", ")}`.trim();
  });
  return parts.length > 1 ? `${t(`surveys.match.${when.match ?? "all"}`)} ${parts.join("; ")}` : (parts[0] ?? "");
}

export function caseWords(rule: CaseRule, departments: Departments): string {
  const parts = [t(`surveys.case.kind.${rule.kind}`), t(`surveys.case.grade.${rule.grade}`)];
  if (rule.department) parts.push(words(departments[rule.department], mine()) || rule.department);
  return parts.join(" · ");
}

function linesOf(one: Question, all: Questionnaire, departments: Departments): Lines {
  const lines: Lines = new Map();
  said(lines, t("surveys.text"), one.text);
  said(lines, t("surveys.help"), one.help);
  lines.set(t("surveys.kind"), t(`surveys.kind.${one.kind}`));
  for (const name of ["required", "nps", "odometer"] as const) if (one[name]) lines.set(t(`surveys.${name}`), "✓");
  for (const answer of one.options ?? []) lines.set(`${t("surveys.options")} · ${answer.code}`, option(answer));
  for (const name of ["least", "most", "weak_below", "dissatisfied_below", "decimals"] as const) {
    const value = one[name];
    if (value !== null && value !== undefined && value !== 0) lines.set(maybe(`surveys.${name}`) ?? name, String(value));
  }
  if (one.weight !== undefined && one.weight !== 1) lines.set(t("surveys.weight"), String(one.weight));
  for (const name of ["least_label", "most_label", "unit"] as const) said(lines, t(`surveys.${name}`), one[name]);
  if (one.show) lines.set(t("surveys.show"), condition(one.show, all));
  if (one.end) lines.set(t("surveys.end"), condition(one.end, all));
  if (one.case) lines.set(t("surveys.case"), caseWords(one.case, departments));
  if (one.sound) lines.set(t("surveys.channel.keypad"), one.sound);
  return lines;
}

function linesOfWhole(one: Questionnaire, departments: Departments): Lines {
  const lines: Lines = new Map();
  said(lines, t("surveys.about"), one.label);
  lines.set(t("surveys.purpose"), t(`surveys.purpose.${one.purpose}`));
  said(lines, t("surveys.opening"), one.opening);
  said(lines, t("surveys.closing"), one.closing);
  lines.set(t("surveys.channels"), (one.channels ?? []).map((channel) => t(`surveys.channel.${channel}`)).join(", "));
  for (const [name, value] of Object.entries(one.plan ?? {})) if (value) lines.set(`${t("surveys.plan")} · ${t(`surveys.plan.${name}`)}`, value);
  if (one.case) lines.set(t("surveys.case"), caseWords(one.case, departments));
  if (one.dissatisfied_below) lines.set(t("surveys.total_below"), String(one.dissatisfied_below));
  return lines;
}

function differences(was: Lines, now: Lines): HTMLElement | null {
  const list = make("dl", { class: "s-diff" });
  for (const label of new Set([...was.keys(), ...now.keys()])) {
    const before = was.get(label);
    const after = now.get(label);
    if (before === after) continue;
    list.append(make("dt", {}, label), make("dd", {}, before ? make("del", {}, before) : null, before && after ? " → " : null, after ? make("ins", {}, after) : null));
  }
  return list.children.length > 0 ? list : null;
}

export function compared(was: Questionnaire, now: Questionnaire, departments: Departments): HTMLElement[] {
  const made: HTMLElement[] = [];
  const tell = (heading: string, mark: string, body: HTMLElement | null): void => {
    made.push(make("section", { class: "s-differs" }, make("h4", {}, heading, " ", make("span", { class: "badge" }, mark)), body));
  };
  const whole = differences(linesOfWhole(was, departments), linesOfWhole(now, departments));
  if (whole) tell(t("surveys.about"), t("surveys.moved"), whole);
  const placed = (all: Questionnaire, code: string): number => all.questions.filter((one) => [was, now].every((each) => each.questions.some((other) => other.code === one.code))).findIndex((one) => one.code === code);
  for (const [at, one] of now.questions.entries()) {
    const heading = `${at + 1}. ${words(one.text, mine()) || one.code}`;
    const before = was.questions.find((other) => other.code === one.code);
    if (!before) { tell(heading, t("surveys.added"), differences(new Map(), linesOf(one, now, departments))); continue; }
    const changed = differences(linesOf(before, was, departments), linesOf(one, now, departments));
    const elsewhere = placed(was, one.code) !== placed(now, one.code);
    if (changed || elsewhere) tell(heading, elsewhere && !changed ? t("surveys.elsewhere") : t("surveys.moved"), changed);
  }
  for (const one of was.questions) {
    if (!now.questions.some((other) => other.code === one.code)) tell(words(one.text, mine()) || one.code, t("surveys.removed"), null);
  }
  return made;
}
