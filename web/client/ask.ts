// Requests to the service's own API: JSON in and out, refusals as `Refusal` with the problem's words.
import { house } from "./house";
import { learn } from "./times";

export class Refusal extends Error {
  constructor(readonly status: number, readonly errorId: string, readonly detail: string, readonly problem: Record<string, unknown>) {
    super(detail || errorId || String(status));
  }
}

interface Asked {
  method?: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
  body?: unknown;
  // The same key again does nothing twice.
  once?: string;
  signal?: AbortSignal;
}

// Raises Refusal where the service says no, TypeError where it is not there.
export async function ask<T>(path: string, asked: Asked = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json", "Accept-Language": house()?.language ?? "zh-CN" };
  const method = asked.method ?? (asked.body === undefined ? "GET" : "POST");
  if (method !== "GET") headers["X-CSRF-Token"] = house()?.csrf ?? "";
  if (asked.body !== undefined) headers["Content-Type"] = "application/json";
  if (asked.once) headers["Idempotency-Key"] = asked.once;
  const answer = await fetch(path, {
    method,
    headers,
    credentials: "same-origin",
    body: asked.body === undefined ? null : JSON.stringify(asked.body),
    signal: asked.signal ?? null,
  });
  if (answer.status === 401) document.dispatchEvent(new CustomEvent("careline:signed-out"));
  if (!answer.ok) {
    let problem: Record<string, unknown> = {};
    try { problem = (await answer.json()) as Record<string, unknown>; } catch { /* a refusal without words */ }
    throw new Refusal(answer.status, String(problem["error_id"] ?? ""), String(problem["detail"] ?? ""), problem);
  }
  learn(answer.headers.get("Date"));
  return answer.status === 204 ? (undefined as T) : ((await answer.json()) as T);
}
