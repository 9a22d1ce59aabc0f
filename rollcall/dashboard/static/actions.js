// What may be done from here, where the dashboard was told so: acknowledge, silence, ask a node.

import { h, say } from "./dom.js";

const HOUR_S = 3600;

/** Buttons for an alert on a node; nothing where the dashboard only looks. */
export function buttons(allowed, node, alert) {
  if (!allowed || alert.state !== "firing") return null;
  const told = h("span", { role: "status" });
  const act = (body, words) => h("button", { type: "button", onclick: () => send(body, told, words) }, words);
  const acknowledged = alert.flags.includes("acknowledged") || !alert.incident;
  return h(
    "span",
    { class: "actions" },
    acknowledged ? null : act({ action: "ack", incident: alert.incident }, "Acknowledge"),
    alert.flags.includes("silenced") ? null : act({ action: "silence", node, rule: alert.rule, for: HOUR_S }, "Silence for 1 h"),
    told,
  );
}

/** Ask the server what a session may do. */
export async function allowed() {
  const answer = await fetch("/api/session").catch(() => null);
  return answer?.ok ? (await answer.json()).actions : false;
}

/** Ask the server to do something; give its answer, or {error}. */
export async function post(body) {
  const answer = await fetch("/api/actions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  }).catch(() => null);
  return answer === null ? { error: "The dashboard does not answer." } : answer.json();
}

async function send(body, told, words) {
  say(told, " …");
  const found = await post(body);
  say(told, found.error ? ` ${found.error}` : ` ${words}: done.`);
}
