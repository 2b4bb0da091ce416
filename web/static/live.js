// The live list of calls: rows follow the stream, timers run on the page, every text comes from the server.
"use strict";
(() => {
  const page = JSON.parse(document.getElementById("page").textContent);
  const texts = page.texts;
  const rows = document.getElementById("rows");
  const link = document.getElementById("link");
  const empty = document.getElementById("empty");
  const more = document.getElementById("more");
  const count = document.getElementById("count");
  const search = document.getElementById("search");
  const detail = document.getElementById("detail");
  const keys = document.getElementById("keys");
  const filter = document.getElementById("filter");
  const calls = new Map(page.calls.map((call) => [call.id, call]));
  // Timers count from the server's clock, whatever the workstation's says.
  let skew = Date.now() - Date.parse(page.now);

  const fill = (key, values) => (texts[key] || "").replace(/\{(\w+)\}/g, (_all, name) => values[name]);
  const clock = new Intl.DateTimeFormat(page.language, { timeZone: page.zone, month: "2-digit", day: "2-digit" });
  const time = new Intl.DateTimeFormat(page.language, { timeZone: page.zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const day = new Intl.DateTimeFormat("en-CA", { timeZone: page.zone });

  function span(seconds) {
    const whole = Math.max(0, Math.floor(seconds));
    const rest = String(whole % 60).padStart(2, "0");
    const minutes = Math.floor(whole / 60) % 60;
    return whole < 3600 ? minutes + ":" + rest : Math.floor(whole / 3600) + ":" + String(minutes).padStart(2, "0") + ":" + rest;
  }

  // Numbers of the house's own country are read in groups, as they are dialed there; all others as they are stored.
  function readable(number) {
    const mobile = /^\+86(1[3-9]\d)(\d{4})(\d{4})$/.exec(number || "");
    if (mobile) return mobile.slice(1).join(" ");
    const service = /^\+86([48]00)(\d{3})(\d{4})$/.exec(number || "");
    if (service) return service.slice(1).join(" ");
    const fixed = /^\+86(10|2\d|[3-9]\d\d)(\d{3,4})(\d{4})$/.exec(number || "");
    return fixed ? "0" + fixed.slice(1).join(" ") : number;
  }

  function since(moment) { return (Date.now() - skew - Date.parse(moment)) / 1000; }

  function waited(call) {
    if (call.queued_at && !call.connected_at && (call.state === "queued" || call.state === "ringing")) return since(call.queued_at);
    return call.queued_at || call.wait_seconds ? call.wait_seconds : null;
  }

  function talked(call) {
    if (call.connected_at && call.state !== "ended") return since(call.connected_at);
    return call.connected_at || call.talk_seconds ? call.talk_seconds : null;
  }

  function cell(name, text) {
    const made = document.createElement("td");
    made.className = name;
    if (text !== undefined && text !== null) made.textContent = text;
    return made;
  }

  function when(moment) {
    const made = document.createElement("time");
    const at = new Date(moment);
    made.dateTime = moment;
    if (day.format(at) !== day.format(Date.now() - skew)) {
      const date = document.createElement("span");
      date.className = "day";
      date.textContent = clock.format(at) + " ";
      made.append(date);
    }
    made.append(time.format(at));
    return made;
  }

  function draw(call) {
    const row = document.createElement("tr");
    row.dataset.id = call.id;
    row.tabIndex = -1;
    const first = cell("c-time");
    first.append(when(call.started_at));
    const number = cell("c-number");
    const shown = document.createElement("span");
    shown.className = call.number ? "phone" : "quiet";
    shown.textContent = readable(call.number) || texts["calls.hidden"];
    number.append(shown);
    const state = cell("c-state");
    const mark = document.createElement("span");
    mark.className = "state";
    mark.dataset.state = call.outcome || call.state;
    mark.textContent = call.outcome ? texts["outcome." + call.outcome] : texts["state." + call.state];
    state.append(mark);
    const wait = waited(call);
    const talk = talked(call);
    row.append(
      first, cell("c-way", texts["direction." + call.direction]), number, state,
      cell("c-queue", call.queue ? page.queues[call.queue] || call.queue : ""), cell("c-agent", call.agent_name),
      cell("c-wait number", wait === null ? "" : span(wait)), cell("c-talk number", talk === null ? "" : span(talk)),
    );
    return row;
  }

  function rowOf(id) { return rows.querySelector('tr[data-id="' + CSS.escape(id) + '"]'); }

  function fits(call) {
    if (call.gone) return false;
    if (page.query.scope === "open" && call.state === "ended") return false;
    if (page.query.direction && call.direction !== page.query.direction) return false;
    // What a masked number matches, only the server knows: a searched list is refreshed, not extended.
    return !page.query.search || calls.has(call.id);
  }

  function put(call, fresh) {
    const old = rowOf(call.id);
    if (!fits(call)) {
      if (old && old.contains(document.activeElement)) (old.nextElementSibling || old.previousElementSibling || search).focus();
      if (old) old.remove();
      calls.delete(call.id);
      return;
    }
    calls.set(call.id, call);
    const row = draw(call);
    if (old) {
      const focused = document.activeElement === old;
      old.replaceWith(row);
      if (focused) row.focus({ preventScroll: true });
      return;
    }
    if (fresh) row.classList.add("fresh");
    let before = rows.firstElementChild;
    while (before && calls.get(before.dataset.id).started_at > call.started_at) before = before.nextElementSibling;
    rows.insertBefore(row, before);
  }

  function sum() {
    empty.hidden = rows.childElementCount > 0;
    let open = 0;
    for (const call of calls.values()) if (call.state !== "ended") open += 1;
    count.textContent = fill("calls.count", { count: open });
  }

  function tick() {
    for (const call of calls.values()) {
      if (call.state === "ended") continue;
      const row = rowOf(call.id);
      if (!row) continue;
      const wait = waited(call);
      const talk = talked(call);
      if (wait !== null) row.querySelector(".c-wait").textContent = span(wait);
      if (talk !== null) row.querySelector(".c-talk").textContent = span(talk);
    }
  }

  function say(state) {
    link.dataset.state = state;
    link.lastElementChild.textContent = texts["live." + state];
  }

  async function ask(path) {
    const answer = await fetch(path, { headers: { Accept: "application/json" }, credentials: "same-origin" });
    if (answer.status === 401) { say("ended"); source.close(); location.assign("/login?next=" + encodeURIComponent(location.pathname + location.search)); }
    if (!answer.ok) throw new Error(String(answer.status));
    const moment = answer.headers.get("Date");
    if (moment) skew = Date.now() - Date.parse(moment);
    return answer.json();
  }

  function address(cursor) {
    const wanted = new URLSearchParams({ scope: page.query.scope });
    if (page.query.direction) wanted.set("direction", page.query.direction);
    if (page.query.search) wanted.set("search", page.query.search);
    if (cursor) wanted.set("cursor", cursor);
    return "/api/v1/calls?" + wanted;
  }

  async function load(cursor) {
    const found = await ask(address(cursor));
    if (!cursor) {
      calls.clear();
      rows.replaceChildren();
    }
    for (const call of found.items) {
      calls.set(call.id, call);
      const old = rowOf(call.id);
      if (old) old.replaceWith(draw(call));
      else rows.append(draw(call));
    }
    more.dataset.cursor = found.next || "";
    more.hidden = !found.next;
    sum();
  }

  let retry = 0;
  function reload() {
    clearTimeout(retry);
    load("").catch(() => { say("off"); retry = setTimeout(reload, 3000); });
    queues();
  }

  let asked = 0;
  function queues() {
    if (asked) return;
    asked = setTimeout(async () => {
      asked = 0;
      try {
        const found = await ask("/api/v1/queues");
        for (const queue of found.items) {
          const item = document.querySelector('#queues [data-queue="' + CSS.escape(queue.name) + '"]');
          if (!item) continue;
          const waiting = item.querySelector(".waiting");
          waiting.textContent = fill("queues.waiting", { count: queue.waiting });
          waiting.classList.toggle("some", queue.waiting > 0);
          waiting.title = queue.waiting ? fill("queues.longest", { time: span(queue.longest_wait) }) : "";
          item.querySelector(".ready").textContent = fill("queues.ready", { count: queue.ready });
        }
      } catch (_error) { /* the link line already says what is wrong; the next event asks again */ }
    }, 1000);
  }

  const source = new EventSource("/api/v1/live?last_event_id=" + encodeURIComponent(page.last_id));
  source.addEventListener("open", () => say("on"));
  source.addEventListener("error", () => {
    say("off");
    // A refused stream is not tried again by the browser: ask why, and sign in again where that is the reason.
    if (source.readyState === EventSource.CLOSED) ask("/api/v1/me").then(() => setTimeout(() => location.reload(), 3000)).catch(() => {});
  });
  source.addEventListener("call", (event) => { put(JSON.parse(event.data), true); sum(); queues(); });
  source.addEventListener("agent", queues);
  source.addEventListener("reset", reload);

  function show(box) { if (!box.open) box.showModal(); }

  async function openCall(id) {
    const list = detail.querySelector("dl");
    const facts = detail.querySelector("ol");
    list.replaceChildren();
    facts.replaceChildren();
    show(detail);
    let found;
    try { found = await ask("/api/v1/calls/" + encodeURIComponent(id)); } catch (_error) {
      const line = document.createElement("li");
      line.textContent = texts["calls.failed"];
      facts.append(line);
      return;
    }
    const call = found.call;
    const add = (key, text) => {
      if (!text) return;
      const name = document.createElement("dt");
      const value = document.createElement("dd");
      name.textContent = texts[key];
      value.textContent = text;
      list.append(name, value);
    };
    add("column.number", readable(call.number) || texts["calls.hidden"]);
    add("column.called", call.called);
    add("column.state", call.outcome ? texts["outcome." + call.outcome] : texts["state." + call.state]);
    add("column.queue", call.queue ? page.queues[call.queue] || call.queue : "");
    add("column.agent", call.agent_name);
    add("detail.explained", texts["explained." + call.explained]);
    add("detail.keys", call.keys);
    add("column.wait", call.queued_at ? span(waited(call)) : "");
    add("column.talk", call.connected_at ? span(talked(call)) : "");
    add("detail.rating", call.rating ? texts["detail.rating.of"].replace("{rating}", call.rating) : "");
    const unwilling = found.facts.some((fact) => fact.kind === "notice_given" && fact.data.refused === true);
    add("detail.recording", unwilling ? texts["detail.recording.refused"] : call.recorded ? texts["detail.recording.yes"] : "");
    add("detail.refused_by", call.refused_by ? texts["refused." + call.refused_by] || call.refused_by : "");
    add("detail.id", call.id);
    detail.querySelector("h3").hidden = !found.facts.length;
    for (const fact of found.facts) {
      const line = document.createElement("li");
      const what = document.createElement("span");
      what.textContent = texts["fact." + fact.kind] || fact.kind;
      line.append(when(fact.at), what);
      facts.append(line);
    }
  }

  function move(step) {
    const now = rows.contains(document.activeElement) ? document.activeElement : null;
    const next = now ? (step > 0 ? now.nextElementSibling : now.previousElementSibling) : rows.firstElementChild;
    if (next) next.focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || detail.open || keys.open) return;
    const writing = event.target.closest("input, select, textarea");
    if (writing) { if (event.key === "Escape") event.target.blur(); return; }
    if (event.key === "/") { event.preventDefault(); search.focus(); search.select(); }
    else if (event.key === "?") show(keys);
    else if (event.key === "j" || event.key === "J" || event.key === "ArrowDown") { event.preventDefault(); move(1); }
    else if (event.key === "k" || event.key === "K" || event.key === "ArrowUp") { event.preventDefault(); move(-1); }
    else if (event.key === "Enter" && rows.contains(event.target)) { event.preventDefault(); openCall(event.target.dataset.id); }
  });
  rows.addEventListener("click", (event) => { const row = event.target.closest("tr"); if (row && !String(getSelection())) openCall(row.dataset.id); });
  document.getElementById("help").addEventListener("click", () => show(keys));
  document.getElementById("theme").addEventListener("change", (event) => event.target.form.submit());
  filter.addEventListener("change", (event) => { if (event.target !== search) filter.requestSubmit(); });
  more.addEventListener("click", () => load(more.dataset.cursor).catch(() => say("off")));

  rows.replaceChildren(...page.calls.map(draw));
  sum();
  setInterval(tick, 1000);
})();
