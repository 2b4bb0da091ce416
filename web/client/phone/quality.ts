// What getStats says of a call's line, as a calm word: good, weak or bad.
import type { Quality } from "./port";

// One look at the line; counters grow from the call's begin.
export interface Sample {
  readonly at: number; // milliseconds
  readonly received: number; // packets
  readonly lost: number; // packets
  readonly jitter: number; // seconds
  readonly roundTrip: number | null; // seconds
  readonly spoken: number; // energy of the own microphone so far
}

// Limits between good and weak, weak and bad. One way's delay of 150 ms is where people begin to interrupt each
// other (ITU-T G.114); about 3 % of losses begin to be heard in G.711, 10 % make words hard to understand.
const WEAK = { loss: 0.03, jitter: 0.04, roundTrip: 0.3 };
const BAD = { loss: 0.1, jitter: 0.1, roundTrip: 0.8 };
// No packet for so long: nothing is heard at all. A customer on hold sends music, so silence is never normal.
const NOTHING = 3000;
// The last seconds count, not the whole call.
const SPAN = 5000;
// Below this much energy in the span the microphone gives nothing: a quiet room gives far more.
const DEAD = 1e-9;

export class Watch {
  private samples: Sample[] = [];
  private steps: Quality[] = [];
  private word: Quality = "good";

  // The line after one more look. A worse word needs two looks, so that one hiccup does not blink.
  see(sample: Sample): { quality: Quality; silent: boolean } {
    this.samples.push(sample);
    while (this.samples.length > 2 && sample.at - (this.samples[1] as Sample).at >= SPAN) this.samples.shift();
    this.steps = [...this.steps.slice(-1), this.judge()];
    if (this.steps.every((one) => one === this.steps[0])) this.word = this.steps[0] as Quality;
    return { quality: this.word, silent: this.isSilent() };
  }

  private judge(): Quality {
    const last = this.samples[this.samples.length - 1] as Sample;
    const first = this.samples[0] as Sample;
    const received = last.received - first.received;
    const lost = Math.max(0, last.lost - first.lost);
    const span = last.at - first.at;
    if (received === 0 && span >= NOTHING) return "bad";
    const loss = received + lost > 0 ? lost / (received + lost) : 0;
    const over = (limit: typeof WEAK): boolean =>
      loss > limit.loss || last.jitter > limit.jitter || (last.roundTrip ?? 0) > limit.roundTrip;
    return over(BAD) ? "bad" : over(WEAK) ? "weak" : "good";
  }

  private isSilent(): boolean {
    const last = this.samples[this.samples.length - 1] as Sample;
    const first = this.samples[0] as Sample;
    return last.at - first.at >= SPAN && last.spoken - first.spoken < DEAD;
  }
}

// The numbers of a connection's report that count here.
export function sampleOf(report: RTCStatsReport, at: number): Sample {
  let received = 0, lost = 0, jitter = 0, spoken = 0;
  let roundTrip: number | null = null;
  report.forEach((one: Record<string, unknown>) => {
    const number = (name: string): number => (typeof one[name] === "number" ? (one[name] as number) : 0);
    if (one["type"] === "inbound-rtp") {
      received += number("packetsReceived");
      lost += number("packetsLost");
      jitter = Math.max(jitter, number("jitter"));
    } else if (one["type"] === "candidate-pair" && one["nominated"] === true && typeof one["currentRoundTripTime"] === "number") {
      roundTrip = one["currentRoundTripTime"];
    } else if (one["type"] === "media-source") {
      spoken += number("totalAudioEnergy");
    }
  });
  return { at, received, lost, jitter, roundTrip, spoken };
}
