// The editor of groups: a query as boxes of conditions, with its sentence and its count while it is edited; and who is in.
import { visit } from "@hotwired/turbo";
import { Refusal, ask } from "./ask";
import { dayText } from "./days";
import { island, pageOf } from "./islands";
import { hotkey } from "./keys";
import { notice } from "./notices";
import { t } from "./texts";

interface Named { name: string; label: string }
interface Field extends Named { kind: string; operators: Named[]; choices: Named[] }
interface Scope { name: string; label: string; fields: Field[]; things: string[] }
interface Page {
  catalogue: { root: string; scopes: Scope[] };
  choices: { user: Record<string, string>; group: Record<string, string> };
  query: Tree;
  group: { id: string; version: number; kind: string } | null;
  write: boolean;
}
type Value = string | number | boolean | (string | number)[] | undefined;
interface Tree { all?: Tree[]; any?: Tree[]; not?: Tree; has?: string; where?: Tree; field?: string; op?: string; value?: Value }
interface Member { customer_id: string; number: string; name: string; plates: string[] }
interface Look { sentence: string; count: number | null; members: Member[]; seconds: number }

const SPANS = ["in_last", "in_next", "at_least_ago", "at_least_ahead", "anniversary_in_next"];
const LISTS = ["one_of", "none_of"];

function make<K extends keyof HTMLElementTagNameMap>(tag: K, given: Partial<HTMLElementTagNameMap[K]> = {}, ...inside: (Node | string)[]): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), given);
  element.append(...inside);
  return element;
}

function options(select: HTMLSelectElement, found: Iterable<Named>, chosen: string): HTMLSelectElement {
  for (const one of found) select.append(make("option", { value: one.name, textContent: one.label, selected: one.name === chosen }));
  return select;
}

// The tree as boxes; every change gives the tree anew.
class Boxes {
  private readonly scopes: Map<string, Scope>;
  constructor(private readonly page: Page, private readonly place: HTMLElement, private readonly changed: () => void) {
    this.scopes = new Map(page.catalogue.scopes.map((scope) => [scope.name, scope]));
    if (!page.query.all && !page.query.any) page.query = { all: [page.query] };
  }

  get tree(): Tree { return this.page.query; }

  draw(): void {
    this.place.replaceChildren(this.box(this.page.query, this.page.catalogue.root, null));
    if (!this.page.write) for (const one of this.place.querySelectorAll<HTMLInputElement>("input, select, button")) one.disabled = true;
  }

  private touch(redraw = true): void {
    if (redraw) this.draw();
    this.changed();
  }

  // A list of parts of which all or any must hold.
  private box(node: Tree, scope: string, remove: (() => void) | null): HTMLElement {
    const parts = node.all ?? node.any ?? [];
    const how = make("select", { ariaLabel: t("groups.how"), className: "g-how" });
    options(how, [{ name: "all", label: t("groups.all_of") }, { name: "any", label: t("groups.any_of") }], node.any ? "any" : "all");
    how.addEventListener("change", () => {
      if (how.value === "any") { node.any = parts; delete node.all; } else { node.all = parts; delete node.any; }
      this.touch();
    });
    const box = make("div", { className: "g-box" }, make("div", { className: "g-line" }, how, ...(remove ? [this.cross(remove)] : [])));
    parts.forEach((part, place) => box.append(this.part(part, scope, (other) => {
      if (other) parts[place] = other; else parts.splice(place, 1);
      this.touch();
    })));
    box.append(this.adder(scope, (part) => {
      parts.push(part);
      if (node.any === undefined) node.all = parts; else node.any = parts;
      this.touch();
    }));
    return box;
  }

  private part(node: Tree, scope: string, replace: (other: Tree | null) => void): HTMLElement {
    if (node.all || node.any) return this.box(node, scope, () => replace(null));
    if (node.has !== undefined) return this.has(node, node.has, false, replace);
    if (node.not?.has !== undefined) return this.has(node.not, node.not.has, true, replace);
    if (node.not) {
      const inner = this.part(node.not, scope, (other) => replace(other && { not: other }));
      return make("div", { className: "g-not" }, make("span", { className: "quiet" }, t("groups.not")), inner);
    }
    return this.test(node, scope, () => replace(null));
  }

  private has(node: Tree, thing: string, none: boolean, replace: (other: Tree | null) => void): HTMLElement {
    const which = options(make("select", { ariaLabel: t("groups.how") }), [{ name: "has", label: t("groups.has") }, { name: "none", label: t("groups.has_none") }], none ? "none" : "has");
    which.addEventListener("change", () => replace(which.value === "none" ? { not: node } : node));
    let where = node.where ?? { all: [] };
    if (!where.all && !where.any) where = { all: [where] };
    node.where = where;
    const label = this.scopes.get(thing)?.label ?? thing;
    return make("div", { className: "g-thing" }, make("div", { className: "g-line" }, which, make("b", {}, label), this.cross(() => replace(null))), this.box(where, thing, null));
  }

  private test(node: Tree, scope: string, remove: () => void): HTMLElement {
    const fields = this.scopes.get(scope)?.fields ?? [];
    const field = fields.find((one) => one.name === node.field) ?? fields[0]!;
    const name = options(make("select", { ariaLabel: t("groups.field") }), fields, field.name);
    name.addEventListener("change", () => { Object.assign(node, this.fresh(fields.find((one) => one.name === name.value)!)); this.touch(); });
    const op = options(make("select", { ariaLabel: t("groups.op") }), field.operators, node.op ?? "");
    op.addEventListener("change", () => { Object.assign(node, this.fresh(field, op.value)); this.touch(); });
    return make("div", { className: "g-line g-test" }, name, op, ...this.values(node, field), this.cross(remove));
  }

  private fresh(field: Field, op = field.operators[0]!.name): Tree {
    const test: Tree = { field: field.name, op, value: undefined };
    const first = field.choices[0]?.name ?? Object.keys(field.kind === "user" ? this.page.choices.user : field.kind === "group" ? this.page.choices.group : {})[0];
    if (op === "empty" || op === "filled") return test;
    if (SPANS.includes(op)) test.value = 30;
    else if (LISTS.includes(op)) test.value = first === undefined ? [] : [first];
    else if (field.kind === "flag") test.value = true;
    else if (field.kind === "number" || field.kind === "money") test.value = op === "between" ? [0, 0] : 0;
    else if (field.kind === "day" || field.kind === "moment") { const today = new Date().toISOString().slice(0, 10); test.value = op === "between" ? [today, today] : today; }
    else test.value = first ?? "";
    return test;
  }

  private values(node: Tree, field: Field): Node[] {
    const op = node.op ?? "";
    if (op === "empty" || op === "filled") return [];
    const label = t("groups.value");
    if (SPANS.includes(op)) return [this.input("number", node.value, label, (text) => { node.value = Number(text); }), document.createTextNode(t("groups.days"))];
    if (field.kind === "flag") {
      const yes = options(make("select", { ariaLabel: label }), [{ name: "true", label: t("groups.yes") }, { name: "false", label: t("groups.no") }], String(node.value));
      yes.addEventListener("change", () => { node.value = yes.value === "true"; this.touch(false); });
      return [yes];
    }
    const named = field.kind === "user" || field.kind === "group" ? Object.entries(this.page.choices[field.kind]).map(([id, text]) => ({ name: id, label: text })) : field.choices;
    if (LISTS.includes(op)) {
      const chosen = new Set(Array.isArray(node.value) ? node.value.map(String) : []);
      return [make("span", { className: "g-many", role: "group" }, ...named.map((one) => {
        const tick = make("input", { type: "checkbox", checked: chosen.has(one.name) });
        tick.addEventListener("change", () => {
          if (tick.checked) chosen.add(one.name); else chosen.delete(one.name);
          node.value = [...chosen];
          this.touch(false);
        });
        return make("label", {}, tick, " ", one.label);
      }))];
    }
    if (named.length || field.kind === "user" || field.kind === "group") {
      const one = options(make("select", { ariaLabel: label }), named, String(node.value ?? ""));
      one.addEventListener("change", () => { node.value = one.value; this.touch(false); });
      return [one];
    }
    const money = field.kind === "money";
    const numeric = field.kind === "number" || money;
    const kind = numeric ? "number" : field.kind === "day" || field.kind === "moment" ? "date" : "text";
    const read = (text: string): string | number => (numeric ? Math.round(Number(text) * (money ? 100 : 1)) : kind === "date" ? dayText(text, false) ?? text : text);
    const shown = (value: unknown): unknown => (money ? Number(value) / 100 : value);
    if (op === "between") {
      const pair = Array.isArray(node.value) ? node.value : ["", ""];
      return [0, 1].flatMap((place) => [
        ...(place ? [document.createTextNode("–")] : []),
        this.input(kind, shown(pair[place]), label, (text) => { pair[place] = read(text); node.value = [...pair]; }),
      ]);
    }
    return [this.input(kind, shown(node.value), label, (text) => { node.value = read(text); })];
  }

  private input(type: string, value: unknown, label: string, take: (text: string) => void): HTMLInputElement {
    const input = make("input", { type, value: String(value ?? ""), ariaLabel: label, autocomplete: "off" });
    if (type === "date") input.setAttribute("value", String(value ?? "")); // one that is no day stays to be mended
    if (type === "number") input.min = "0";
    input.addEventListener("input", () => { take(input.value); this.touch(false); });
    return input;
  }

  // One list of everything that can be asked here.
  private adder(scope: string, add: (part: Tree) => void): HTMLElement {
    const here = this.scopes.get(scope)!;
    const select = make("select", { ariaLabel: t("groups.add"), className: "g-add-one" }, make("option", { value: "", textContent: t("groups.add") }));
    const fields = make("optgroup", { label: here.label });
    for (const one of here.fields) fields.append(make("option", { value: `field ${one.name}`, textContent: one.label }));
    select.append(fields);
    const more = make("optgroup", { label: t("groups.things") });
    for (const thing of here.things) more.append(make("option", { value: `has ${thing}`, textContent: t("groups.has_thing", { thing: this.scopes.get(thing)?.label ?? thing }) }), make("option", { value: `none ${thing}`, textContent: t("groups.no_thing", { thing: this.scopes.get(thing)?.label ?? thing }) }));
    more.append(make("option", { value: "box", textContent: t("groups.any_box") }));
    select.append(more);
    select.addEventListener("change", () => {
      const [what, name] = select.value.split(" ");
      if (what === "field") add(this.fresh(here.fields.find((one) => one.name === name)!));
      else if (what === "box") add({ any: [] });
      else if (what) { const has: Tree = { has: name!, where: { all: [] } }; add(what === "none" ? { not: has } : has); }
    });
    return select;
  }

  private cross(remove: () => void): HTMLElement {
    const button = make("button", { type: "button", className: "plain g-cross", ariaLabel: t("groups.remove"), title: t("groups.remove"), textContent: "×" });
    button.addEventListener("click", remove);
    return button;
  }
}

// What is sent: boxes without anything in them say nothing.
function tidy(node: Tree): Tree {
  if (node.all || node.any) {
    const parts = (node.all ?? node.any ?? []).map(tidy).filter((part) => !(part.any && !part.any.length) && !(part.all && !part.all.length));
    return node.any && parts.length ? { any: parts } : { all: parts };
  }
  if (node.not) return { not: tidy(node.not) };
  if (node.has !== undefined) {
    const where = tidy(node.where ?? { all: [] });
    return { has: node.has, where: where.all?.length === 1 ? where.all[0]! : where };
  }
  const test: Tree = { field: node.field!, op: node.op! };
  if (node.value !== undefined) test.value = node.value;
  return test;
}

island("groups-editor", (root, signal) => {
  const page = pageOf<Page>(root);
  const part = <T extends HTMLElement>(name: string): T | null => root.querySelector<T>(`[data-${name}]`);
  const trouble = part("trouble")!;
  let lookFailed = false;
  const say = (words: string): void => { trouble.textContent = words; trouble.hidden = !words; lookFailed = false; };
  const failed = (error: unknown): void => { if (!(error instanceof DOMException)) say(error instanceof Refusal ? error.detail : t("groups.away")); };
  const place = part("tree");
  let asked = new AbortController();
  let timer = 0;
  const boxes = place ? new Boxes(page, place, () => { clearTimeout(timer); timer = window.setTimeout(() => void look(), 300); }) : null;

  async function look(patient = false): Promise<void> {
    asked.abort();
    const mine = (asked = new AbortController());
    const button = root.querySelector<HTMLButtonElement>('[data-act="patient"]')!;
    part("count")!.classList.add("g-waiting");
    try {
      const found = await ask<Look>("/api/v1/group-look", { body: { query: tidy(boxes!.tree), limit: 8, patient }, signal: AbortSignal.any([mine.signal, signal]) });
      if (lookFailed) say(""); // what was said of a save stays until it is mended
      part("sentence")!.textContent = found.sentence;
      part("count")!.textContent = found.count === null ? t("groups.too_many") : found.count.toLocaleString();
      part("took")!.textContent = found.count === null ? t("groups.slow") : t("groups.took", { seconds: found.seconds.toFixed(2) });
      button.hidden = found.count !== null;
      part("members")!.replaceChildren(...found.members.map((one) => make("li", {}, make("a", { href: `/customers/${one.customer_id}` }, one.name), " ", make("span", { className: "quiet mono" }, one.number, " ", one.plates.join(" ")))));
    } catch (error) {
      failed(error);
      lookFailed ||= !(error instanceof DOMException);
    } finally {
      if (mine === asked) part("count")!.classList.remove("g-waiting");
    }
  }

  // One change at a time: a second click while the first is on its way would do it twice.
  let busy = false;
  async function alone(work: () => Promise<void>): Promise<void> {
    if (busy) return;
    busy = true;
    try { await work(); } catch (error) { failed(error); busy = false; } // else another page comes
  }

  async function save(): Promise<void> {
    const value = (name: string): string => root.querySelector<HTMLInputElement>(`[name="${name}"]`)!.value;
    const body = { name: value("name"), note: value("note"), ...(boxes ? { query: tidy(boxes.tree) } : {}) };
    if (!body.name.trim()) { say(t("groups.name_needed")); root.querySelector<HTMLInputElement>('[name="name"]')!.focus(); return; }
    await alone(async () => {
      const path = page.group ? `/api/v1/groups/${page.group.id}` : "/api/v1/groups";
      const saved = await ask<{ id: string }>(path, { method: page.group ? "PATCH" : "POST", body: page.group ? { ...body, version: page.group.version } : { ...body, kind: root.dataset["kind"] }, signal });
      notice(t("groups.saved"));
      visit(`/groups/${saved.id}`, { action: "replace" });
    });
  }

  async function act(path: string, asked: { method?: "POST" | "DELETE"; body?: unknown }, words: string, to = location.pathname): Promise<void> {
    await alone(async () => {
      await ask(path, { ...asked, signal });
      notice(words);
      visit(to, { action: "replace" });
    });
  }

  root.addEventListener("click", (event) => {
    const button = (event.target as HTMLElement).closest<HTMLElement>("button");
    if (!button) return;
    const own = page.group ? `/api/v1/groups/${page.group.id}` : "";
    switch (button.dataset["act"]) {
      case "save": void save(); break;
      case "patient": void look(true); break;
      case "archive": if (confirm(t("groups.archive_sure"))) void act(own, { method: "DELETE" }, t("groups.archived_now"), "/groups"); break;
      case "freeze": {
        const purpose = part<HTMLInputElement>("purpose")!.value.trim();
        if (!purpose) { part("purpose")!.focus(); return; }
        void act(`${own}/freezes`, { body: { purpose } }, t("groups.frozen"));
      }
    }
    if (button.dataset["out"]) void act(`${own}/members/remove`, { body: { customer_ids: [button.dataset["out"]] } }, t("groups.taken_out"));
    if (button.dataset["put"]) void act(`${own}/members`, { body: { customer_ids: [button.dataset["put"]] } }, t("groups.put_in"));
  }, { signal });
  part<HTMLSelectElement>("from")?.addEventListener("change", (event) => {
    const other = (event.target as HTMLSelectElement).value;
    if (other) void act(`/api/v1/groups/${page.group!.id}/members`, { body: { group_id: other } }, t("groups.put_in"));
  }, { signal });

  const find = part<HTMLInputElement>("find");
  let finding = 0;
  let found = new AbortController();
  find?.addEventListener("input", () => {
    clearTimeout(finding);
    found.abort(); // an answer to what stood there before
    const mine = (found = new AbortController());
    finding = window.setTimeout(async () => {
      const list = part("found")!;
      if (!find.value.trim()) { list.hidden = true; return; }
      try {
        const found = await ask<{ items: { customer_id: string; customer_number: string; name: string; phone: string }[] }>(`/api/v1/search?limit=8&q=${encodeURIComponent(find.value)}`, { signal: AbortSignal.any([mine.signal, signal]) });
        list.replaceChildren(...found.items.map((one) => {
          const button = make("button", { type: "button", className: "plain" }, one.name, " ", make("span", { className: "quiet mono" }, one.customer_number, " ", one.phone));
          button.dataset["put"] = one.customer_id;
          return make("li", {}, button);
        }));
        list.hidden = !found.items.length;
      } catch (error) { failed(error); }
    }, 150);
  }, { signal });

  root.addEventListener("input", () => say(""), { signal });
  if (page.write) hotkey("Ctrl+s", "groups.save", () => void save(), signal);
  if (boxes) { boxes.draw(); void look(); }
  signal.addEventListener("abort", () => { asked.abort(); clearTimeout(timer); clearTimeout(finding); });
});
