"use strict";
const at = id => document.getElementById(id);
const EVERY_MS = 5000;
let timer = 0;

function warn(text) { at("alarm").textContent = text; at("alarm").hidden = !text; }
function show(name) { at("door").hidden = name !== "door"; at("sheet").hidden = at("leave").hidden = name !== "sheet"; }
function ago(then, now) {
  if (!then) return "—";
  const s = Math.max(0, Math.round((new Date(now) - new Date(then)) / 1000));
  return s < 60 ? s + " s ago" : s < 3600 ? Math.round(s / 60) + " min ago" : s < 86400 ? Math.round(s / 3600) + " h ago" : Math.round(s / 86400) + " d ago";
}
function row(told, now) {
  const line = document.createElement("tr"), bar = document.createElement("progress");
  bar.max = told.count; bar.value = told.done; bar.setAttribute("aria-label", told.reader + ": progress");
  const cells = [told.reader, bar, told.done + " of " + told.count,
    told.median_s === null ? "—" : told.median_s.toFixed(1) + " s", String(told.clicks), ago(told.last, now)];
  for (const [k, cell] of cells.entries()) {
    const box = document.createElement(k ? "td" : "th");
    if (!k) box.scope = "row";
    box.append(cell); line.append(box);
  }
  return line;
}
function send(address, body) {
  return fetch(address, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
}
async function refresh() {
  clearTimeout(timer);
  try {
    const answer = await fetch("/api/organiser/progress");
    if (answer.status === 401) { show("door"); return; }
    const told = await answer.json();
    at("title").textContent = document.title = told.title + " · organiser";
    at("when").textContent = told.readers.filter(r => r.done === r.count).length + " of " + told.readers.length + " readers have finished";
    at("rows").replaceChildren(...told.readers.map(r => row(r, told.now)));
    warn(""); show("sheet");
  } catch (error) { warn("The server does not answer."); }
  timer = setTimeout(refresh, EVERY_MS);
}
at("enter").addEventListener("submit", async event => {
  event.preventDefault();
  warn("");
  try {
    const answer = await send("/api/organiser/enter", {code: at("code").value});
    at("code").value = "";
    if (answer.ok) refresh(); else warn((await answer.json()).detail);
  } catch (error) { warn("The server does not answer."); }
});
at("leave").addEventListener("click", async () => {
  clearTimeout(timer);
  try { await send("/api/organiser/leave", {}); at("when").textContent = ""; show("door"); } catch (error) { warn("The server does not answer."); }
});
refresh();
