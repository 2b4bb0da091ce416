// What is typed is never lost: a copy in the browser with each letter, a row on the server soon after.
// The browser's copy goes once the server has the same text; what a person typed and the server refused stays in both.
import { Refusal, ask } from "../ask";
import { house } from "../house";
import type { Body, Draft } from "./shapes";

interface Copy { body: Body; revision: number; at: number; sent?: Body | null }
export type Kept = "saved" | "waiting" | "local";
export interface Crossing { holder: string; theirs: Body; yours: Body; version: number }

const PAUSE = 400;
const AGAIN = 3000;
const OLD = 14 * 24 * 3600 * 1000;

function name(call: string): string {
  return `careline:draft:${house()?.user.id ?? ""}:${call}`;
}

export function localCopy(call: string): Copy | null {
  try {
    return JSON.parse(localStorage.getItem(name(call)) ?? "null") as Copy | null;
  } catch { return null; }
}

// The same text, whatever order its fields are named in: a database may keep them in its own.
export function sameText(one: Body, other: Body): boolean {
  const told = (body: Body): string => JSON.stringify([
    Object.entries({ ...body, fields: null }).sort(), Object.entries(body.fields).sort(),
  ]);
  return told(one) === told(other);
}

// Copies of long ago whose calls nobody opened again.
export function sweepCopies(): void {
  for (const key of Object.keys(localStorage)) {
    if (!key.startsWith("careline:draft:")) continue;
    try {
      const copy = JSON.parse(localStorage.getItem(key) ?? "null") as Copy | null;
      if (!copy || Date.now() - copy.at > OLD) localStorage.removeItem(key);
    } catch { localStorage.removeItem(key); }
  }
}

export class Drafts {
  private revision: number;
  private body: Body | null = null;
  private timer = 0;
  private busy: Promise<void> | null = null;
  private ended = false;
  // Sent, and its answer has not come: the server may have it. It is sent again before any newer text, and the same
  // text twice is one revision, so that nobody crosses with himself.
  private sent: Body | null = null;

  constructor(
    readonly call: string,
    known: Draft | null,
    private readonly tell: (kept: Kept) => void,
    private readonly crossed: (crossing: Crossing) => void,
    signal: AbortSignal,
  ) {
    this.revision = known?.revision ?? 0;
    addEventListener("online", () => void this.flush(), { signal });
    addEventListener("pagehide", () => void this.flush(), { signal });
    signal.addEventListener("abort", () => { void this.flush(); });
  }

  // Each letter comes here. `sent`: what a page before this one has sent without hearing of it.
  typed(body: Body, sent: Body | null = null): void {
    if (this.ended) return;
    this.body = structuredClone(body);
    this.sent ??= sent;
    this.keep();
    this.tell("waiting");
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.flush(), PAUSE);
  }

  private keep(): void {
    if (!this.body) return;
    try {
      localStorage.setItem(name(this.call), JSON.stringify({ body: this.body, revision: this.revision, at: Date.now(), sent: this.sent }));
    } catch { /* a full store: the server's row is still there */ }
  }

  // The server has the browser's copy already; only its answer was lost.
  settled(): void {
    localStorage.removeItem(name(this.call));
  }

  // The server has this text. Another page of this browser may have kept another one.
  private forget(body: Body): void {
    const kept = localCopy(this.call);
    if (!kept || sameText(kept.body, body)) this.settled();
  }

  // Bring what was typed to the server; one request at a time.
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    while (this.busy) await this.busy;
    if (!this.body || this.ended) return;
    if (!this.sent) {
      this.sent = this.body;
      this.keep();
    }
    this.busy = this.save(this.sent);
    try { await this.busy; } finally { this.busy = null; }
  }

  private async save(body: Body): Promise<void> {
    try {
      const saved = await ask<Draft>(`/api/v1/calls/${this.call}/draft`, { body: { based_on: this.revision, body } });
      if (this.ended) return;
      this.revision = saved.revision;
      this.sent = null;
      if (this.body === body) {
        this.body = null;
        this.forget(body);
        this.tell("saved");
      } else {
        this.keep();
        this.timer = window.setTimeout(() => void this.flush(), PAUSE);
      }
    } catch (error) {
      // Filed meanwhile: what the server says of the draft concerns nobody.
      if (this.ended) return;
      this.tell("local");
      if (!(error instanceof Refusal) || error.status >= 500 || error.status === 429) {
        clearTimeout(this.timer);
        this.timer = window.setTimeout(() => void this.flush(), AGAIN);
        return;
      }
      this.sent = null;
      if (error.errorId !== "draft-changed") return;
      const version = Number(error.problem["version"] ?? 0);
      if (!version && this.revision) {
        // The draft is gone, as after a filing: there is no other text to choose.
        this.revision = 0;
        clearTimeout(this.timer);
        this.timer = window.setTimeout(() => void this.flush(), PAUSE);
        return;
      }
      this.crossed({ holder: String(error.problem["holder"] ?? ""), theirs: error.problem["theirs"] as Body, yours: this.body ?? body, version });
    }
  }

  // After two pages crossed: go on with this text, on top of the other's.
  takeOver(body: Body, version: number): void {
    this.revision = version;
    this.sent = null;
    this.typed(body);
  }

  // The call is filed: nothing is left to keep.
  end(): void {
    this.ended = true;
    clearTimeout(this.timer);
    localStorage.removeItem(name(this.call));
  }
}
