// The softphone's states, without a browser or a switch: what happened goes in, what is the case comes out.
// Everything that acts (sockets, sound, locks) is in softphone.ts and only tells this what happened.
import type { PhoneState, Quality, Trouble } from "./port";

// How far the page is with being somebody's telephone.
export type Standing =
  | "off"
  | "elsewhere" // another page holds the lock
  | "starting" // secret and microphone are being asked for
  | "registering"
  | "registered"
  | "lost" // was registered; the line is being built again
  | "failed"; // nothing more happens by itself; `trouble` says why

export interface Call {
  readonly phase: "ringing" | "answering" | "talking";
  readonly id: string | null;
  readonly muted: boolean;
}

export interface Machine {
  readonly standing: Standing;
  readonly trouble: Trouble | null;
  readonly call: Call | null;
  readonly quality: Quality | null;
  // Nothing at all has come from the microphone for a while.
  readonly silent: boolean;
}

export type Event =
  | { readonly what: "off" }
  | { readonly what: "starting" } // this page holds the lock
  | { readonly what: "elsewhere" }
  | { readonly what: "registering" }
  | { readonly what: "registered" }
  | { readonly what: "line-lost" }
  | { readonly what: "failed"; readonly why: Trouble }
  | { readonly what: "rings"; readonly id: string | null }
  | { readonly what: "answering" }
  | { readonly what: "talks" }
  | { readonly what: "call-failed"; readonly why: Trouble } // a microphone that failed as the call was answered
  | { readonly what: "ended" }
  | { readonly what: "muted"; readonly on: boolean }
  | { readonly what: "measured"; readonly quality: Quality; readonly silent: boolean };

export const OFF: Machine = { standing: "off", trouble: null, call: null, quality: null, silent: false };

const DONE = { call: null, quality: null, silent: false } as const;

// What is the case after `event`. What cannot happen now changes nothing.
export function next(now: Machine, event: Event): Machine {
  switch (event.what) {
    case "off":
      return OFF;
    case "elsewhere":
      return { ...OFF, standing: "elsewhere", trouble: "held-elsewhere" };
    case "starting":
      return { ...OFF, standing: "starting" };
    case "registering":
      if (now.standing === "off" || now.standing === "elsewhere") return now;
      return now.standing === "registered" ? now : { ...now, standing: now.standing === "lost" ? "lost" : "registering" };
    case "registered":
      if (now.standing === "off" || now.standing === "elsewhere") return now;
      return { ...now, standing: "registered", trouble: null };
    case "line-lost":
      // The sound of a call goes its own way: the call stays.
      return now.standing === "registered" || now.standing === "lost" ? { ...now, standing: "lost", trouble: "connection-lost" } : now;
    case "failed":
      return now.standing === "off" || now.standing === "elsewhere" ? now : { ...OFF, standing: "failed", trouble: event.why };
    case "rings":
      if (now.call !== null || (now.standing !== "registered" && now.standing !== "registering")) return now;
      return { ...now, trouble: null, call: { phase: "ringing", id: event.id, muted: false } };
    case "answering":
      return now.call?.phase === "ringing" ? { ...now, call: { ...now.call, phase: "answering" } } : now;
    case "talks":
      return now.call === null || now.call.phase === "talking" ? now : { ...now, call: { ...now.call, phase: "talking" } };
    case "call-failed":
      return now.call === null ? now : { ...now, ...DONE, trouble: event.why };
    case "ended":
      return now.call === null ? now : { ...now, ...DONE };
    case "muted":
      return now.call?.phase === "talking" ? { ...now, silent: false, call: { ...now.call, muted: event.on } } : now;
    case "measured":
      return now.call?.phase === "talking"
        ? { ...now, quality: event.quality, silent: event.silent && !now.call.muted }
        : now;
  }
}

// The same in the words of the page.
export function shown(now: Machine): PhoneState {
  const call = now.call;
  const line =
    call?.phase === "talking" ? "talking"
    : call !== null ? "ringing"
    : now.standing === "registered" ? "ready"
    : now.standing === "starting" || now.standing === "registering" || now.standing === "lost" ? "connecting"
    : now.standing;
  return {
    kind: "browser",
    line,
    muted: call?.muted ?? false,
    quality: call === null ? null : now.quality,
    trouble: now.trouble ?? (now.silent ? "microphone-silent" : null),
    callId: call?.id ?? null,
  };
}
