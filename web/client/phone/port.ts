/**
 * The telephone as the desk page knows it: one small port, two implementations.
 *
 * `desk` telephones ring beside the browser: the page drives them through the service's API and has no
 * sound of its own. A `browser` telephone is the softphone (JsSIP): it answers, mutes and sends keys by
 * itself, and everything that concerns the customer's side (hold, transfer, conference) still goes through
 * the service, so that both kinds behave alike and every order is in the log.
 *
 * The page never asks which kind it has; it asks what the phone can do (`can`).
 */

/** What the line itself says, not what the call log says. */
export type LineState =
  | "off" // no phone chosen, or the agent is signed out
  | "connecting" // registering, or the microphone is being asked for
  | "ready" // can be rung
  | "ringing"
  | "talking"
  | "held"
  | "elsewhere" // another page of this person holds the phone
  | "failed"; // refused: `trouble` says why

/** Why the line does not work; the page has words for each (`phone.trouble.*`). */
export type Trouble =
  | "microphone-refused"
  | "no-microphone"
  | "microphone-taken" // another program holds it
  | "microphone-silent" // nothing at all has come from it for seconds
  | "insecure-page"
  | "not-registered"
  | "connection-lost"
  | "held-elsewhere";

export type Quality = "good" | "weak" | "bad";

export interface PhoneState {
  readonly kind: "desk" | "browser";
  readonly line: LineState;
  readonly muted: boolean;
  /** Null where nothing is known (a desk phone, or no call). */
  readonly quality: Quality | null;
  readonly trouble: Trouble | null;
  /** Careline's id of the call on the line, where the phone was told it (SIP header X-Careline-Call). */
  readonly callId: string | null;
}

export type Ability = "answer" | "mute" | "keys";

/** What the call bar drives. Every method settles when the line has done it, or rejects with an Error. */
export interface Phone {
  readonly state: PhoneState;
  /** Whether the page itself can do this; where not, its button says that the telephone does it. */
  can(what: Ability): boolean;
  /** `callId`: the call the desk shows; answered as soon as it is on the line where it is still on its way. */
  answer(callId?: string): Promise<void>;
  /** Hang up, or refuse a ringing call. */
  hangUp(): Promise<void>;
  mute(on: boolean): Promise<void>;
  /** Keys for a menu on the other side: 0-9, *, #. */
  keys(keys: string): Promise<void>;
  /** Take the phone over from another page of the same person. */
  takeOver(): Promise<void>;
  /** Told at once with the present state, and then at every change until `signal` is aborted. */
  on(change: (state: PhoneState) => void, signal: AbortSignal): void;
}

const OFF: PhoneState = {
  kind: "desk",
  line: "off",
  muted: false,
  quality: null,
  trouble: null,
  callId: null,
};

/** The telephone on the desk: it rings, is answered and muted by hand; the page only watches the call log. */
export class DeskPhone implements Phone {
  readonly state = OFF;
  can(_what: Ability): boolean {
    return false;
  }
  answer(): Promise<void> {
    return Promise.reject(new Error("answer on the telephone"));
  }
  hangUp(): Promise<void> {
    return Promise.reject(new Error("hang up through the service"));
  }
  mute(_on: boolean): Promise<void> {
    return Promise.reject(new Error("mute on the telephone"));
  }
  keys(_keys: string): Promise<void> {
    return Promise.reject(new Error("press keys on the telephone"));
  }
  takeOver(): Promise<void> {
    return Promise.resolve();
  }
  on(change: (state: PhoneState) => void, _signal: AbortSignal): void {
    change(this.state);
  }
}

const watchers = new Set<(phone: Phone) => void>();
let current: Phone = new DeskPhone();

/** The phone of this page. It lives as long as the page does, across Turbo visits. */
export function phone(): Phone {
  return current;
}

/** The softphone puts itself here once it exists; everybody who asked is told. */
export function usePhone(next: Phone): void {
  current = next;
  for (const tell of watchers) tell(next);
}

/** Told at once with the present phone, and whenever another one takes its place. */
export function onPhone(tell: (phone: Phone) => void, signal: AbortSignal): void {
  watchers.add(tell);
  signal.addEventListener("abort", () => watchers.delete(tell), { once: true });
  tell(current);
}
