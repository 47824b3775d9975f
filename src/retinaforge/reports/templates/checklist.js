"use strict";
const told = JSON.parse(document.getElementById("data").textContent);
const at = id => document.getElementById(id);
const KEY = "retinaforge-checklist-" + told.sample;
const LETTERS = {c: "correct", w: "wrong", n: "not said"};
let state = {reader: "", place: 0, votes: {}, notes: {}}, item = 0, kept = true;

function recall() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) || "null");
    if (stored && stored.votes) state = Object.assign(state, stored);
  } catch (error) { kept = false; }
}
function keep() {
  try { localStorage.setItem(KEY, JSON.stringify(state)); } catch (error) { kept = false; }
  if (!kept) warn("This browser keeps nothing between visits: save your answers before you leave.");
}
function warn(text) { at("alarm").textContent = text; at("alarm").hidden = !text; }
const row = () => told.rows[state.place];
const votesOf = name => state.votes[name] || (state.votes[name] = {});
const open = r => told.items.some(i => !votesOf(r.name)[i.name]);

function show() {
  const r = row();
  /* File names may tell the side or the diagnosis: they stay out of sight. */
  at("image").src = r.picture; at("image").alt = "Fundus image " + (state.place + 1);
  at("place").textContent = (state.place + 1) + " of " + told.rows.length;
  at("note").value = state.notes[r.name] || "";
  at("back").disabled = state.place === 0;
  at("next").disabled = state.place === told.rows.length - 1;
  at("items").replaceChildren(...told.items.map(fields));
  look(0);
  count();
}
function fields(i, number) {
  const box = document.createElement("fieldset");
  const legend = document.createElement("div");
  legend.className = "what"; legend.id = "item-" + i.name;
  const name = document.createElement("b"), about = document.createElement("small");
  name.textContent = i.name; about.textContent = i.about;
  legend.append(name, about);
  const choices = document.createElement("div");
  choices.className = "choices";
  choices.setAttribute("role", "radiogroup");
  choices.setAttribute("aria-labelledby", legend.id);
  for (const answer of told.answers) {
    const label = document.createElement("label"), input = document.createElement("input");
    const text = document.createElement("span");
    input.type = "radio"; input.name = i.name; input.value = answer; text.textContent = answer;
    input.checked = votesOf(row().name)[i.name] === answer;
    input.addEventListener("change", () => { vote(number, answer); });
    input.addEventListener("focus", () => look(number));
    label.append(input, text); choices.append(label);
  }
  box.append(legend, choices);
  box.addEventListener("click", () => look(number));
  return box;
}
/* Marks the sentences that speak of the item, as the parser reads them; a help, not a truth. */
function look(number) {
  item = number;
  [...at("items").children].forEach((box, k) => box.classList.toggle("now", k === number));
  const part = row().parts[told.items[number].part] || "", whole = row().text;
  const sentences = part ? part.split(/(?<=[.!?;])\s+/) : [];
  const spots = sentences.map(s => [whole.indexOf(s), s.length]).filter(s => s[0] >= 0);
  spots.sort((a, b) => a[0] - b[0]);
  const pieces = []; let last = 0;
  for (const [from, length] of spots) {
    if (from < last) continue;
    const mark = document.createElement("mark");
    mark.textContent = whole.slice(from, from + length);
    pieces.push(whole.slice(last, from), mark); last = from + length;
  }
  at("caption").replaceChildren(...pieces, whole.slice(last));
}
function vote(number, answer) {
  votesOf(row().name)[told.items[number].name] = answer;
  keep(); count();
}
function count() {
  const all = told.rows.length * told.items.length;
  const done = told.rows.reduce((n, r) => n + told.items.filter(i => votesOf(r.name)[i.name]).length, 0);
  at("count").textContent = done + " of " + all + " items";
  at("progress").value = done / all;
  at("open").disabled = !told.rows.some(open);
}
function go(place) {
  state.place = Math.max(0, Math.min(told.rows.length - 1, place));
  keep(); show();
}
function press(event) {
  if (event.target.matches("textarea,#reader") || event.ctrlKey || event.metaKey || event.altKey) return;
  const answer = LETTERS[event.key.toLowerCase()];
  if (at("large").open) return;
  if (answer) {
    at("items").children[item].querySelector('input[value="' + answer + '"]').checked = true;
    vote(item, answer);
    if (item < told.items.length - 1) look(item + 1);
  } else if (event.key === "ArrowDown") look(Math.min(item + 1, told.items.length - 1));
  else if (event.key === "ArrowUp") look(Math.max(item - 1, 0));
  else if (event.key === "ArrowRight") go(state.place + 1);
  else if (event.key === "ArrowLeft") go(state.place - 1);
  else return;
  event.preventDefault();
}
function answers() {
  return told.rows.flatMap(r => told.items.map(i => ({
    name: r.name, item: i.name, answer: votesOf(r.name)[i.name] || "", note: state.notes[r.name] || ""
  })));
}
function save(text, kind, ending) {
  const link = document.createElement("a");
  const who = (state.reader || "reader").replace(/[^\p{L}\p{N}]+/gu, "-");
  link.href = URL.createObjectURL(new Blob([text], {type: kind}));
  link.download = "answers-" + who + "-" + told.sample + ending;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
function named() {
  if (state.reader.trim()) { warn(""); return true; }
  warn("Type your name or initials first: readers are told apart by them.");
  at("reader").focus();
  return false;
}
const cell = text => '"' + String(text).replaceAll('"', '""') + '"';
function asCsv() {
  const heads = ["reader", "sample", "name", "item", "answer", "note"];
  const lines = answers().map(a => [state.reader, told.sample, a.name, a.item, a.answer, a.note.replace(/\s+/g, " ")]);
  return [heads, ...lines].map(l => l.map(cell).join(",")).join("\r\n") + "\r\n";
}
async function load(file) {
  try {
    const found = JSON.parse(await file.text());
    if (found.sample !== told.sample) { warn("That file belongs to another sample (" + found.sample + ")."); return; }
    for (const a of found.answers) {
      if (a.answer) votesOf(a.name)[a.item] = a.answer;
      if (a.note) state.notes[a.name] = a.note;
    }
    state.reader = found.reader || state.reader;
    at("reader").value = state.reader;
    warn(""); keep(); show();
  } catch (error) { warn("That is no file of answers saved from this page."); }
}

recall();
state.place = Math.min(state.place, told.rows.length - 1);
at("reader").value = state.reader;
at("reader").addEventListener("input", event => { state.reader = event.target.value; keep(); });
at("note").addEventListener("input", event => { state.notes[row().name] = event.target.value; keep(); });
at("back").addEventListener("click", () => go(state.place - 1));
at("next").addEventListener("click", () => go(state.place + 1));
at("open").addEventListener("click", () => {
  const n = told.rows.length, from = state.place + 1;
  const found = [...Array(n).keys()].map(k => (from + k) % n).find(k => open(told.rows[k]));
  if (found !== undefined) go(found);
});
at("json").addEventListener("click", () => {
  if (named()) save(JSON.stringify({format: 1, sample: told.sample, reader: state.reader, answers: answers()}, null, 1), "application/json", ".json");
});
at("csv").addEventListener("click", () => { if (named()) save(asCsv(), "text/csv", ".csv"); });
at("load").addEventListener("change", event => { if (event.target.files[0]) load(event.target.files[0]); });
at("zoom").addEventListener("click", () => { at("largeimage").src = row().picture; at("large").showModal(); });
at("shut").addEventListener("click", () => at("large").close());
at("large").addEventListener("click", () => at("large").close());
document.addEventListener("keydown", press, true);
at("case").hidden = false;
show();
