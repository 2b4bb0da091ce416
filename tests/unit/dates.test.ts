// Fields for days and moments, and what counts as one, by node's own test runner.
import assert from "node:assert/strict";
import { test } from "node:test";
import "./desk_window";
import { readFields } from "../../web/client/aftercall/fields";
import { EMPTY, moment } from "../../web/client/aftercall/shapes";
import { startDates } from "../../web/client/dates";

const GOOD = ["2026-01-31T15:30"];

// An input as far as the module asks for one: one for a day says nothing of a text that is none.
class Input extends EventTarget {
  #value = "";
  className = "";
  title = "";
  fault = "";
  name = "";
  dataset: Record<string, string> = {};
  classList = { contains: (): boolean => false };
  readonly attributes = new Map<string, string>();
  constructor(public type: string) { super(); }
  get value(): string { return this.type === "text" || GOOD.includes(this.#value) ? this.#value : ""; }
  set value(text: string) { this.#value = text; }
  setAttribute(name: string, value: string): void { this.attributes.set(name, value); if (name === "value") this.value = value; }
  getAttribute(name: string): string | null { return this.attributes.get(name) ?? null; }
  removeAttribute(name: string): void { this.attributes.delete(name); }
  setCustomValidity(text: string): void { this.fault = text; }
  before(): void {}
  append(): void {}
  matches(): boolean { return true; }
}

function field(kind: string, given = ""): Input {
  const made = new Input(kind);
  if (given) made.setAttribute("value", given);
  Object.assign(document.documentElement, { querySelectorAll: () => [made] });
  startDates();
  return made;
}

function type(one: Input, text: string): string[] {
  const heard: string[] = [];
  one.addEventListener("input", () => heard.push(one.value));
  one.value = text;
  one.dispatchEvent(new Event("input", { bubbles: true }));
  one.dispatchEvent(new Event("change", { bubbles: true }));
  return heard;
}

Object.assign(globalThis, { HTMLInputElement: Input, MutationObserver: class { observe(): void {} } });
Object.assign(document, { createElement: () => new Input("text") });

test("what is no day comes back as it was typed, and says so", () => {
  for (const typed of ["2026-02-30", "31.01.2026"]) {
    const one = field("date", typed);
    assert.equal(one.value, typed);
    assert.notEqual(one.fault, "");
  }
  const good = field("datetime-local", "2026-01-31T15:30");
  assert.equal(good.value, "2026-01-31 15:30");
  assert.equal(good.fault, "");
});

test("a day that is not in the calendar is marked until another is typed", () => {
  const one = field("date");
  type(one, "2026-02-30");
  assert.notEqual(one.fault, "");
  assert.equal(one.getAttribute("aria-invalid"), "true");
  type(one, "2028-02-29");
  assert.equal(one.fault, "");
  assert.equal(one.getAttribute("aria-invalid"), null);
  type(one, "");
  assert.equal(one.fault, "");
});

test("who listens to what is typed hears the day as it is written here", () => {
  assert.deepEqual(type(field("date"), "2026/1/5"), ["2026/1/5", "2026-01-05"]);
  assert.deepEqual(type(field("date"), "20260105"), ["20260105", "2026-01-05"]);
  assert.deepEqual(type(field("date"), "2026-01-05"), ["2026-01-05"]);
  assert.deepEqual(type(field("datetime-local"), "2026年1月5日 9：05"), ["2026年1月5日 9：05", "2026-01-05 09:05"]);
});

test("a moment is one of the calendar and the clock", () => {
  assert.equal(moment("2026-06-16 15:30"), "2026-06-16T15:30:00.000Z");
  assert.equal(moment("2026-06-16T15:30"), "2026-06-16T15:30:00.000Z");
  assert.equal(moment("2026/6/16 9:05"), "2026-06-16T09:05:00.000Z");
  for (const none of ["", "2026-02-31 10:00", "2026-04-31 10:00", "2026-06-16 24:00", "2026-06-16 10:60", "2026-06-16", "tomorrow"]) assert.equal(moment(none), null, none);
});

test("what is filed at once, before the field is left, is read the same way", () => {
  const control = (name: string, kind: string, value: string): object => ({ name, value, dataset: kind ? { kind } : {} });
  const shown = [control("callback_at", "", "2026/6/16 9:05"), control("fields.wanted", "date", "2026/6/16"), control("fields.bad", "date", "2026-02-30"), control("summary", "", "20260616")];
  const body = readFields({ querySelectorAll: () => shown } as unknown as HTMLElement, EMPTY);
  assert.equal(body.callback_at, "2026-06-16 09:05");
  assert.deepEqual(body.fields, { wanted: "2026-06-16", bad: "2026-02-30" });
  assert.equal(body.summary, "20260616");
});
