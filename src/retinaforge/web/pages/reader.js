"use strict";
const at = id => document.getElementById(id);
const PAGES = ["door", "rest", "case", "done"];
const RETRY_MS = [300, 700, 1500, 3000, 5000];
const WAIT_MS = 15000;
let told = null, views = [], marked = 0, running = false, since = 0, spent = 0, page = "";
let chain = Promise.resolve(), waiting = 0, saved = {}, wanted = {}, turning = false, ahead = null;
let green = false, typed = 0;

function page_(name) {
  page = name;
  for (const id of PAGES) at(id).hidden = id !== name;
  at("pause").hidden = name !== "case";
  document.body.dataset.page = name;
}
function warn(text) { at("alarm").textContent = text; at("alarm").hidden = !text; }
const sleep = ms => new Promise(done => setTimeout(done, ms));

/* Time on screen: only while the image is drawn, the page visible and nothing paused. */
const elapsed = () => Math.round(spent + (running ? performance.now() - since : 0));
function run(on) {
  if (on === running) return;
  if (on) since = performance.now(); else spent = elapsed();
  running = on;
}

class Said extends Error { constructor(status, words) { super(words); this.status = status; } }

async function ask(address, body) {
  const options = {signal: AbortSignal.timeout(WAIT_MS)};
  if (body) Object.assign(options, {
    method: "POST", body: JSON.stringify(body),
    headers: {"Content-Type": "application/json", "X-Reader": told ? told.reader : ""},
  });
  const answer = await fetch(address, options);
  if (!answer.ok) {
    let words = answer.statusText;
    try { words = (await answer.json()).detail || words; } catch (error) { /* no JSON */ }
    throw new Said(answer.status, words);
  }
  return answer;
}
/* What is sent is sent until the server has said that it is kept. */
async function insist(address, body) {
  for (let turn = 0; ; turn++) {
    try {
      const answer = await (await ask(address, body)).json();
      if (turn) warn("");
      return answer;
    } catch (error) {
      if (error instanceof Said && error.status < 500) throw error;
      warn("Not kept yet: the server does not answer. Trying again; please leave this page open.");
      await sleep(RETRY_MS[Math.min(turn, RETRY_MS.length - 1)]);
    }
  }
}
function inTurn(job) {
  waiting++; show_saved();
  chain = chain.then(job).catch(trouble).finally(() => { waiting--; show_saved(); });
  return chain;
}
async function trouble(error) {
  if (!(error instanceof Said)) { warn("Something went wrong: " + error.message + ". Please reload the page."); return; }
  if (error.status === 401 || error.status === 403) {
    run(false); told = null; page_("door");
    warn(error.status === 403 ? error.message : "");
    return;
  }
  warn(error.message);
  if (page === "case") { draw(); run(!document.hidden); }
  if (error.status === 409) { await load(false); warn(error.message); }
}

async function load(rest = true) {
  run(false);
  try { told = await insist("/api/state"); } catch (error) { await trouble(error); return; }
  at("title").textContent = document.title = told.title;
  at("reader").textContent = told.reader;
  build();
  if (rest || told.position >= told.count) pauseAt(false); else await open_();
}
function build() {
  const pair = told.design === "2afc";
  views = (pair ? ["Left image", "Right image"] : ["Fundus image"]).map(makeView);
  at("views").replaceChildren(...views.map(view => view.box));
  document.body.dataset.design = told.design;
  at("questions").replaceChildren(...told.questions.map(field));
}
function field(question, number) {
  const box = document.createElement("div"), head = document.createElement("h2");
  box.className = "question"; box.dataset.name = question.name;
  head.textContent = question.words; head.id = "q-" + question.name;
  box.append(head);
  if (question.kind === "text") {
    const text = document.createElement("textarea");
    text.rows = 2; text.maxLength = 2000; text.setAttribute("aria-labelledby", head.id);
    text.addEventListener("focus", () => mark(number));
    text.addEventListener("input", () => { clearTimeout(typed); typed = setTimeout(() => tell_remark(question, text), 600); });
    text.addEventListener("change", () => tell_remark(question, text));
    box.append(text);
    return box;
  }
  const group = document.createElement("div");
  group.className = question.choices.length > 3 ? "choices many" : "choices"; group.setAttribute("role", "group"); group.setAttribute("aria-labelledby", head.id);
  for (const choice of question.choices) {
    const button = document.createElement("button"), key = document.createElement("kbd");
    button.type = "button"; button.dataset.value = choice.value;
    key.textContent = choice.key.toUpperCase();
    button.append(choice.words + " ", key);
    button.addEventListener("click", () => { mark(number); tell(question, choice.value); });
    group.append(button);
  }
  box.append(group);
  box.addEventListener("click", event => { if (event.target === box || event.target === head) mark(number); });
  return box;
}
function mark(number) {
  marked = Math.max(0, Math.min(told.questions.length - 1, number));
  [...at("questions").children].forEach((box, k) => {
    box.classList.toggle("now", k === marked);
    if (k === marked) box.scrollIntoView({block: "nearest"});
  });
}
function draw() {
  const here = told.position, missing = told.questions.filter(q => q.needed && wanted[q.name] === undefined);
  at("progress").value = told.count ? here / told.count : 1;
  at("place").textContent = Math.min(here + 1, told.count) + " of " + told.count;
  for (const box of at("questions").children) {
    const name = box.dataset.name;
    for (const button of box.querySelectorAll("button")) {
      const on = wanted[name] === button.dataset.value;
      button.setAttribute("aria-pressed", on);
      button.classList.toggle("kept", on && saved[name] === button.dataset.value);
    }
  }
  at("next").disabled = missing.length > 0 || turning;
}
function show_saved() {
  at("saved").textContent = waiting ? "Keeping…" : Object.keys(saved).length ? "Kept" : "";
  document.body.dataset.waiting = waiting;
}

function tell(question, value) {
  if (page !== "case" || turning || !running) return;
  const position = told.position, ms = elapsed();
  wanted[question.name] = value; draw();
  inTurn(async () => {
    await insist("/api/answer", {position, what: question.name, value, ms});
    if (told && told.position === position) { saved[question.name] = value; draw(); }
  });
  const after = told.questions.findIndex((q, k) => k > marked && q.kind === "choice" && wanted[q.name] === undefined);
  if (after >= 0) mark(after);
}
function tell_remark(question, text) {
  clearTimeout(typed);
  if (page !== "case" || turning || text.value === (wanted[question.name] || "")) return;
  tell_text(question, text.value);
}
function tell_text(question, value) {
  const position = told.position, ms = elapsed();
  wanted[question.name] = value;
  inTurn(async () => {
    await insist("/api/answer", {position, what: question.name, value, ms});
    if (told && told.position === position) { saved[question.name] = value; draw(); }
  });
}

async function pictures(position) {
  const sides = told.design === "2afc" ? [0, 1] : [0];
  return Promise.all(sides.map(async side => {
    const answer = await ask("/image/" + told.reader + "/" + position + "/" + side);
    return createImageBitmap(await answer.blob());
  }));
}
async function fetched(position) {
  for (let turn = 0; ; turn++) {
    try {
      const found = ahead && ahead.position === position ? await ahead.found : null;
      return found || await pictures(position);
    } catch (error) {
      ahead = null;
      if (error instanceof Said && error.status < 500) throw error;
      warn("The server does not answer. Trying again.");
      await sleep(RETRY_MS[Math.min(turn, RETRY_MS.length - 1)]);
    }
  }
}
async function open_() {
  if (told.position >= told.count) { finish(); return; }
  page_("case");
  views.forEach(view => view.hide());
  saved = {...told.answers}; wanted = {...told.answers}; spent = told.ms; running = false;
  for (const text of document.querySelectorAll("textarea")) text.value = saved[text.closest(".question").dataset.name] || "";
  const open = told.questions.findIndex(q => saved[q.name] === undefined);
  mark(open < 0 ? 0 : open);
  draw(); show_saved();
  let found;
  try { found = await fetched(told.position); } catch (error) { await trouble(error); return; }
  if (page !== "case") return;
  warn("");
  views.forEach((view, k) => { view.green(green); view.show(found[k]); });
  run(!document.hidden);
  const next = told.position + 1;
  ahead = next < told.count ? {position: next, found: pictures(next).catch(() => null)} : null;
}
/* A remark still being typed is sent before the image goes. */
function flush() {
  const text = document.querySelector("textarea");
  if (text) { tell_remark(told.questions.find(q => q.kind === "text"), text); text.blur(); }
}
/* Requests go one after another: the image is closed after its last answer is kept. */
function next() {
  if (page !== "case" || turning || at("next").disabled) return;
  flush();
  turning = true; draw();
  const position = told.position;
  run(false);
  inTurn(async () => {
    try {
      const state = await insist("/api/close", {position, what: "close", value: "", ms: spent});
      Object.assign(told, state);
    } finally { turning = false; }
    await open_();
    scrollTo(0, 0);
  });
}
function finish() {
  run(false);
  at("doneWords").textContent = "All " + told.count + (told.design === "2afc" ? " pairs" : " images") + " are answered and kept. You can close this page.";
  at("progress").value = 1; at("place").textContent = told.count + " of " + told.count;
  page_("done");
}
function pauseAt(paused) {
  if (told.position >= told.count) { finish(); return; }
  run(false);
  views.forEach(view => view.hide());
  const begun = told.position > 0 || Object.keys(told.answers).length > 0 || paused;
  at("restHead").textContent = paused ? "Paused" : begun ? "Welcome back" : "Welcome";
  at("restWords").textContent = begun
    ? told.position + " of " + told.count + " are done. Time does not count now."
    : told.count + (told.design === "2afc" ? " pairs of images" : " images") + " wait for you.";
  at("go").textContent = begun ? "Go on" : "Begin";
  at("place").textContent = told.position + " of " + told.count; at("progress").value = told.position / told.count;
  page_("rest"); at("go").focus();
}
function pause() {
  if (page !== "case" || turning) return;
  flush();
  const position = told.position, ms = elapsed();
  run(false);
  inTurn(() => insist("/api/answer", {position, what: "pause", value: "", ms}));
  told.answers = {...wanted}; told.ms = ms;
  pauseAt(true);
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || page !== "case") return;
  const key = event.key, writing = event.target.matches("textarea, input");
  if (writing) { if (key === "Escape") event.target.blur(); return; }
  const arrows = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[key];
  if (arrows && event.shiftKey) views.forEach(view => view.move(...arrows));
  else if (key === "ArrowDown" || key === "ArrowUp") mark(marked + arrows[1]);
  else if (arrows && told.design === "2afc") tell(told.questions[0], key === "ArrowLeft" ? "left" : "right");
  else if (key === "Enter") { if (event.target.matches("button, summary") && event.target !== at("next") && event.target !== document.body && !event.target.closest("#questions")) return; next(); }
  else if (!letter(key.toLowerCase())) return;
  event.preventDefault();
}
function letter(key) {
  const tools = {"+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), "\u2212": () => zoom(1 / 1.5),
                 f: () => views.forEach(view => view.fit()), g: redFree, p: pause};
  const now = told.questions[marked], fits = q => q.kind === "choice" && q.choices.find(c => c.key === key);
  /* A number is for the marked question; a letter finds its own. */
  const question = fits(now) ? now : /[a-z]/.test(key) ? told.questions.find(fits) : null;
  if (question) { mark(told.questions.indexOf(question)); tell(question, fits(question).value); return true; }
  if (tools[key]) { tools[key](); return true; }
  return false;
}
const zoom = factor => views.forEach(view => view.zoom(factor));
function redFree() {
  green = !green;
  at("green").setAttribute("aria-pressed", green);
  views.forEach(view => view.green(green));
}

at("enter").addEventListener("submit", async event => {
  event.preventDefault();
  warn("");
  try {
    await ask("/api/enter", {code: at("code").value});
    at("code").value = "";
    await load();
  } catch (error) { warn(error instanceof Said ? error.message : "The server does not answer. Please try again."); }
});
at("go").addEventListener("click", () => inTurn(open_));
const leave = () => inTurn(async () => {
  await insist("/api/leave", {});
  told = null; at("reader").textContent = at("place").textContent = ""; at("progress").value = 0;
  page_("door");
});
at("leave").addEventListener("click", leave);
at("next-reader").addEventListener("click", leave);
at("next").addEventListener("click", next);
at("pause").addEventListener("click", pause);
at("in").addEventListener("click", () => zoom(1.5));
at("out").addEventListener("click", () => zoom(1 / 1.5));
at("fit").addEventListener("click", () => views.forEach(view => view.fit()));
at("green").addEventListener("click", redFree);
document.addEventListener("keydown", press);
document.addEventListener("visibilitychange", () => { if (page === "case" && !turning) run(!document.hidden); });
addEventListener("beforeunload", event => { if (waiting) event.preventDefault(); });
load();
