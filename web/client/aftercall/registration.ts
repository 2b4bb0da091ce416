// Filing one call: the form with its draft, what was filed with its history, and two people at once.
import { Refusal, ask } from "../ask";
import { notice } from "../notices";
import { t } from "../texts";
import { when } from "../times";
import { type Crossing, Drafts, type Kept, localCopy, sameText } from "./draft";
import { drawFields, filing, formOf, least, markFaults, readFields } from "./fields";
import { type Body, EMPTY, type Panel, type Registration, type Version, leaves, local, make, moment, said } from "./shapes";

interface Filed { registration: Registration; agent: { state: string } | null }
export interface Watching { filed: (agentState: string | null) => void; typeChanged: (callType: string) => void }

// What the API wants of a body: a moment with its zone instead of the field's local words.
function sent(panel: Panel, body: Body): Record<string, unknown> {
  return { ...filing(panel, body), callback_at: moment(body.callback_at) };
}

export class RegistrationForm {
  private body: Body;
  private drafts: Drafts | null = null;
  private correcting: number | null = null;
  private busy = false;

  constructor(private readonly root: HTMLElement, private panel: Panel, private readonly watch: Watching, private readonly signal: AbortSignal) {
    this.body = { ...structuredClone(EMPTY), call_type: panel.suggested };
    if (panel.registration) this.showFiled(panel.registration);
    else if (panel.may_file) this.begin();
    else this.root.replaceChildren(make("p", { class: "quiet" }, t("aftercall.not_yours")));
  }

  get callType(): string { return this.body.call_type; }
  get isOpen(): boolean { return this.drafts !== null; }
  get isFiled(): boolean { return this.panel.registration !== null; }

  // The text to begin with: what this browser has and the server does not, else the server's draft.
  private begin(): void {
    const { draft } = this.panel;
    const copy = localCopy(this.panel.call.id);
    if (draft) this.body = { ...structuredClone(EMPTY), ...draft.body };
    this.drafts = new Drafts(this.panel.call.id, draft, (kept) => this.tell(kept), (crossing) => this.cross(crossing), this.signal);
    let unsaved = false;
    if (copy) {
      const mine = { ...structuredClone(EMPTY), ...copy.body };
      if (draft && sameText(mine, this.body)) {
        this.drafts.settled();
      } else if (!draft || copy.revision === draft.revision || (copy.sent && sameText({ ...structuredClone(EMPTY), ...copy.sent }, this.body))) {
        this.body = mine;
        this.drafts.typed(mine, copy.sent);
        unsaved = true;
      } else {
        this.draw();
        this.cross({ holder: "", theirs: this.body, yours: mine, version: draft.revision });
        return;
      }
    }
    if (!this.body.call_type) this.body.call_type = this.panel.suggested;
    this.draw();
    if (unsaved) this.tell("waiting");
    else if (draft) this.tell("saved");
  }

  private draw(): void {
    const fields = make("div", { class: "ac-fields" });
    drawFields(fields, this.panel, this.body, this.correcting !== null);
    const kept = make("p", { class: "quiet ac-kept", "data-kept": "", role: "status" });
    const file = make("button", { type: "submit", class: "primary" }, this.correcting === null ? t("aftercall.file") : t("aftercall.correct.save"), " ", make("kbd", {}, "Ctrl+Enter"));
    const form = make("form", { class: "ac-form", novalidate: "" }, ...this.others(), make("h2", {}, this.correcting === null ? t("aftercall.heading") : t("aftercall.correct.heading")), fields, make("div", { class: "ac-foot" }, kept, file));
    if (this.correcting !== null) {
      const back = make("button", { type: "button" }, t("aftercall.correct.back"));
      back.addEventListener("click", () => { if (this.panel.registration) this.showFiled(this.panel.registration); });
      form.querySelector(".ac-foot")!.append(back);
    }
    form.addEventListener("submit", (event) => { event.preventDefault(); void this.file(); });
    form.addEventListener("input", (event) => this.typed(event.target as HTMLElement));
    form.addEventListener("change", (event) => this.changed(event.target as HTMLElement));
    this.root.replaceChildren(form);
  }

  // What a colleague typed before the call came here.
  private others(): HTMLElement[] {
    return this.panel.others.filter((one) => one.body.summary || one.body.customer_words).map((one) =>
      make("details", { class: "ac-others", open: "" }, make("summary", {}, t("aftercall.others", { name: one.name })),
        ...[one.body.customer_words, one.body.summary].filter(Boolean).map((words) => make("p", {}, words))));
  }

  private typed(target: HTMLElement): void {
    this.body = readFields(this.root, this.body);
    this.drafts?.typed(this.body);
    target.closest(".field.wrong")?.classList.remove("wrong");
    const form = formOf(this.panel, this.body.call_type);
    const chosen = leaves(this.panel.sets[form?.dispositions ?? ""]?.dispositions ?? []).find((one) => one.code === this.body.disposition);
    const hint = this.root.querySelector<HTMLElement>('[data-field="summary"] [data-hint]');
    if (hint) { hint.textContent = least(chosen, this.body.summary); hint.hidden = !hint.textContent; }
  }

  // Another type, result or next step asks other things: the fields are made anew, what was typed stays.
  private changed(target: HTMLElement): void {
    const name = target.getAttribute("name") ?? "";
    if (!["call_type", "disposition", "next_step"].includes(name)) return;
    if (name === "call_type" && !leaves(formOf(this.panel, this.body.call_type)?.reasons ?? []).some((one) => one.code === this.body.reason)) this.body.reason = "";
    if (name === "next_step") this.body.next_department = "";
    const why = this.root.querySelector<HTMLInputElement>('[name="why"]')?.value ?? "";
    drawFields(this.root.querySelector<HTMLElement>(".ac-fields")!, this.panel, this.body, this.correcting !== null);
    const again = this.root.querySelector<HTMLInputElement>('[name="why"]');
    if (again) again.value = why;
    this.root.querySelector<HTMLElement>(`[name="${name}"]`)?.focus();
    this.drafts?.typed(this.body);
    if (name === "call_type") this.watch.typeChanged(this.body.call_type);
  }

  // Another call has the place: an answer that comes now changes nothing there.
  private get isGone(): boolean { return this.signal.aborted; }

  private tell(kept: Kept): void {
    if (this.isGone) return;
    const place = this.root.querySelector<HTMLElement>("[data-kept]");
    if (!place) return;
    place.dataset["kept"] = kept;
    place.textContent = kept === "saved" ? t("aftercall.kept.saved") : kept === "local" ? t("aftercall.kept.local") : t("aftercall.kept.waiting");
  }

  // Ctrl+Enter. True where there was something to file.
  async file(): Promise<boolean> {
    if (this.busy || !this.root.querySelector(".ac-form")) return false;
    this.busy = true;
    this.body = readFields(this.root, this.body);
    const button = this.root.querySelector<HTMLButtonElement>(".ac-form [type=submit]");
    if (button) button.disabled = true;
    try {
      if (this.correcting === null) await this.first(); else await this.correct(this.correcting);
    } catch (error) { this.refused(error); } finally {
      this.busy = false;
      if (button) button.disabled = false;
    }
    return true;
  }

  private async first(): Promise<void> {
    const answer = await ask<Filed>(`/api/v1/calls/${this.panel.call.id}/registration`, { body: sent(this.panel, this.body) });
    this.drafts?.end();
    this.drafts = null;
    this.panel = { ...this.panel, registration: answer.registration, may_file: false, may_correct: true };
    if (!this.isGone) this.showFiled(answer.registration);
    notice(answer.registration.tasks.length ? t("aftercall.filed.tasks", { count: answer.registration.tasks.length }) : t("aftercall.filed.done"));
    this.watch.filed(answer.agent?.state ?? null);
  }

  private async correct(basedOn: number): Promise<void> {
    const why = this.root.querySelector<HTMLInputElement>('[name="why"]')?.value.trim() ?? "";
    if (!why) { markFaults(this.root, [{ field: "why", message: t("aftercall.fault.missing") }], true); return; }
    const registration = await ask<Registration>(`/api/v1/calls/${this.panel.call.id}/registration/corrections`, { body: { ...sent(this.panel, this.body), based_on: basedOn, why } });
    this.drafts?.end();
    this.drafts = null;
    this.panel = { ...this.panel, registration };
    if (!this.isGone) this.showFiled(registration);
    notice(t("aftercall.correct.done"));
  }

  private refused(error: unknown): void {
    if (!(error instanceof Refusal)) { this.drafts?.typed(this.body); this.tell("local"); notice(t("aftercall.trouble.away"), { kind: "trouble" }); return; }
    if (this.isGone) { this.drafts?.typed(this.body); notice(t("aftercall.trouble.refused", { why: error.detail }), { kind: "trouble" }); return; }
    if (error.errorId === "registration-incomplete" || error.errorId === "bad-values") {
      const faults = (error.problem["errors"] ?? []) as { field: string; message: string }[];
      markFaults(this.root, faults.map((one) => (error.errorId === "bad-values" ? { field: one.field.split(".").slice(0, 2).join("."), message: one.message } : one)), true);
      notice(t("aftercall.trouble.incomplete", { count: faults.length }), { kind: "trouble" });
    } else if (error.errorId === "registration-filed" || error.errorId === "registration-changed") {
      this.cross({ holder: String(error.problem["holder"] ?? ""), theirs: error.problem["theirs"] as Body, yours: this.body, version: Number(error.problem["version"] ?? 1) }, true);
    } else notice(t("aftercall.trouble.refused", { why: error.detail }), { kind: "trouble" });
  }

  // Somebody, or one's own other page, was first: both texts, and a choice; neither is lost.
  private cross(crossing: Crossing, filed = false): void {
    if (this.isGone) return;
    const column = (title: string, body: Body): HTMLElement => make("div", { class: "ac-side" }, make("h3", {}, title), ...this.lines(body));
    const theirs = make("button", { type: "button" }, t("aftercall.crossed.take_theirs"));
    const yours = make("button", { type: "button", class: "primary" }, filed ? t("aftercall.crossed.correct_with_mine") : t("aftercall.crossed.take_mine"));
    const box = make("section", { class: "ac-crossed", role: "alert" },
      make("p", {}, filed ? t("aftercall.crossed.filed", { name: crossing.holder }) : t("aftercall.crossed.draft")),
      make("div", { class: "ac-sides" }, column(filed ? crossing.holder : t("aftercall.crossed.other_page"), crossing.theirs), column(t("aftercall.crossed.mine"), crossing.yours)),
      make("div", { class: "ac-foot" }, theirs, yours));
    theirs.addEventListener("click", () => void (filed ? this.reload(null) : this.settle(crossing.theirs, crossing.version)));
    yours.addEventListener("click", () => void (filed ? this.reload(crossing.yours) : this.settle(crossing.yours, crossing.version)));
    this.root.querySelector(".ac-crossed")?.remove();
    this.root.prepend(box);
    yours.focus();
  }

  private settle(body: Body, version: number): void {
    this.body = { ...structuredClone(EMPTY), ...body };
    this.draw();
    this.drafts?.takeOver(this.body, version);
  }

  private async reload(mine: Body | null): Promise<void> {
    try {
      this.panel = await ask<Panel>(`/api/v1/calls/${this.panel.call.id}/panel`);
    } catch { notice(t("aftercall.trouble.away"), { kind: "trouble" }); return; }
    if (this.isGone || !this.panel.registration) return;
    if (mine && !this.panel.may_correct) { notice(t("aftercall.crossed.kept"), { kind: "trouble" }); return; }
    if (mine) this.startCorrection(this.panel.registration.versions[0]!, mine);
    else { this.drafts?.end(); this.drafts = null; this.showFiled(this.panel.registration); }
  }

  private lines(body: Body): HTMLElement[] {
    const form = this.panel.forms.find((one) => one.call_type === body.call_type);
    const word = (list: { code: string; words: string; group: string }[], code: string): string => {
      const found = list.find((one) => one.code === code);
      return found ? [found.group, found.words].filter(Boolean).join(" · ") : code;
    };
    const pairs: [string, string][] = [
      [t("aftercall.field.call_type"), form ? said(form.label) : body.call_type],
      [t("aftercall.field.reason"), word(leaves(form?.reasons ?? []), body.reason)],
      [t("aftercall.field.customer_words"), body.customer_words],
      [t("aftercall.field.summary"), body.summary],
      ...(form?.fields ?? []).filter((one) => body.fields[one.code] !== undefined).map((one): [string, string] => {
        const value = body.fields[one.code];
        const words = one.kind === "choice" ? said(one.options.find((option) => option.code === value)?.label) : typeof value === "boolean" ? (value ? t("aftercall.yes") : t("aftercall.no")) : String(value);
        return [said(one.label), words + (one.unit ? " " + said(one.unit) : "")];
      }),
      [t("aftercall.field.disposition"), word(leaves(this.panel.sets[form?.dispositions ?? ""]?.dispositions ?? []), body.disposition)],
      [t("aftercall.field.next_step"), body.next_step ? [said(form?.next_steps.find((one) => one.code === body.next_step)?.label), body.next_note].filter(Boolean).join(" · ") : ""],
    ];
    const list = make("dl", { class: "facts" });
    for (const [name, value] of pairs) if (value) list.append(make("dt", {}, name), make("dd", {}, value));
    return [list];
  }

  private showFiled(registration: Registration): void {
    const [current, ...earlier] = registration.versions as [Version, ...Version[]];
    const who = (one: Version): HTMLElement => make("p", { class: "quiet" }, t("aftercall.filed.by", { name: one.by_name }), " ", when(one.at), ...(one.why ? [" · " + one.why] : []));
    const parts: HTMLElement[] = [
      make("header", { class: "ac-done" }, make("h2", {}, t("aftercall.filed.heading")), make("span", { class: "badge", "data-kind": "good" }, t("aftercall.filed.badge"))),
      who(current), ...this.lines(current.content),
    ];
    if (registration.tasks.length) parts.push(make("p", {}, make("a", { href: "/tasks?scope=team" }, t("aftercall.filed.tasks", { count: registration.tasks.length }))));
    if (this.panel.may_correct) {
      const button = make("button", { type: "button" }, t("aftercall.correct.begin"));
      button.addEventListener("click", () => this.startCorrection(current, null));
      parts.push(make("p", {}, button));
    }
    if (earlier.length) parts.push(make("details", { class: "ac-history" }, make("summary", {}, t("aftercall.filed.history", { count: earlier.length })), ...earlier.flatMap((one) => [who(one), ...this.lines(one.content)])));
    this.root.replaceChildren(make("section", { class: "ac-filed" }, ...parts));
    this.correcting = null;
  }

  private startCorrection(current: Version, mine: Body | null): void {
    this.correcting = current.version;
    this.body = mine ? structuredClone(mine) : { ...structuredClone(EMPTY), ...structuredClone(current.content), callback_at: local(current.content.callback_at) };
    this.draw();
    this.root.querySelector<HTMLElement>('[name="why"]')?.focus();
  }

}
