"use strict";
const get = (id) => document.getElementById(id);
const say = (text) => { get("message").textContent = text; get("message").hidden = !text; };

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("zoo demo has ended; start it again");
  }
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found;
}

// Do the newest of the requests that wait while one is under way, and leave out those before it.
function newest(work) {
  let busy = false;
  let next = false;
  return async function run() {
    if (busy) { next = true; return; }
    busy = true;
    try {
      do { next = false; await work(); } while (next);
      say("");
    } catch (error) {
      say(error.message);
    } finally {
      busy = false;
    }
  };
}

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  Object.assign(made, attributes);
  made.append(...children);
  return made;
}

function show_outputs() {
  for (const output of document.querySelectorAll("output")) {
    const input = get(output.htmlFor.value);
    if (input) output.value = Number(input.value).toFixed(2);
  }
}

// The picture: drawn, dropped, pasted or chosen.
const canvas = get("canvas");
const pen = canvas.getContext("2d");
let last = null;
let whole = null;
let cleared = 0;

function clear() {
  whole = null;
  cleared += 1;
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  get("bars").replaceChildren();
  get("seen-pair").hidden = true;
  get("pair").hidden = true;
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height];
}

function draw(event) {
  if (!last) return;
  const point = place(event);
  pen.strokeStyle = get("colour").value;
  pen.lineWidth = Number(get("pen").value);
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(...last);
  pen.lineTo(...point);
  pen.stroke();
  last = point;
}

async function take(file) {
  if (!file) return;
  try {
    const picture = await createImageBitmap(file);
    clear();
    const scale = Math.min(canvas.width / picture.width, canvas.height / picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    pen.imageSmoothingEnabled = scale < 1;
    pen.drawImage(picture, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
  } catch {
    clear();
  }
  whole = file;
  classify();
}

// A drawing is sent as it is on the canvas, a file as it is.
const picture = () => whole ? Promise.resolve(whole) : new Promise((done) => canvas.toBlob(done, "image/png"));
const post = (body) => ({ method: "POST", body, headers: { "Content-Type": body.type || "image/png" } });

let about = {};
const classify = newest(async () => {
  if (!about.classifies) return;
  const before = cleared;
  const found = await ask("classify", post(await picture()));
  if (cleared !== before) return;
  const rows = found.classes.map(({ label, probability }) => {
    const text = `${(100 * probability).toFixed(1)} %`;
    const meter = element("meter", { value: probability, max: 1 });
    meter.setAttribute("aria-label", label);
    return element("li", {}, element("span", { className: "label", textContent: label }), meter,
      element("span", { className: "share", textContent: text }));
  });
  get("bars").replaceChildren(...rows);
  get("seen").src = found.seen;
  get("heat-figure").hidden = !found.heat;
  if (found.heat) get("heat").src = found.heat;
  get("heat-class").textContent = found.classes[0].label;
  get("seen-pair").hidden = false;
});

const edit = newest(async () => {
  const options = { to: get("to").value, source: get("source").value, strength: Number(get("strength").value),
    guidance: Number(get("edit-guidance").value) };
  const found = await ask(`edit?options=${encodeURIComponent(JSON.stringify(options))}`, post(await picture()));
  get("original").src = found.original;
  get("edited").src = found.edited;
  get("pair").hidden = false;
});

// Samples.
function add_part(text, weight) {
  const number = get("parts").children.length + 1;
  if (number > 6) return;
  const words = element("input", { type: "text", value: text, autocomplete: "off" });
  words.setAttribute("list", "names");
  words.setAttribute("aria-label", `Text of part ${number}`);
  const slider = element("input", { type: "range", min: -1, max: 1, step: 0.05, id: `weight-${number}` });
  slider.value = weight;
  slider.setAttribute("aria-label", `Weight of part ${number}`);
  const output = element("output", {});
  output.htmlFor.value = slider.id;
  get("parts").append(element("div", { className: "part" }, words, slider, output));
  show_outputs();
}

const parts = () => [...get("parts").children].map((part) => {
  const [text, weight] = part.querySelectorAll("input");
  return { text: text.value, weight: Number(weight.value) };
}).filter((part) => part.text.trim() && part.weight);

const sample = newest(async () => {
  const request = { count: Number(get("count").value), seed: Math.max(0, Math.floor(Number(get("seed").value))),
    temperature: Number(get("temperature").value) };
  if (about.prompts) Object.assign(request, { parts: parts(), guidance: Number(get("guidance").value), rule: get("rule").value });
  get("samples").classList.add("busy");
  try {
    const found = await ask("sample", { method: "POST", body: JSON.stringify(request), headers: { "Content-Type": "application/json" } });
    const names = parts().map((part) => part.text).join(" + ") || "sample";
    get("samples").replaceChildren(...found.pictures.map((src, index) => element("img", { src, alt: `${names}, ${index + 1}` })));
  } finally {
    get("samples").classList.remove("busy");
  }
});

function listen() {
  canvas.addEventListener("pointerdown", (event) => {
    whole = null;
    last = place(event);
    canvas.setPointerCapture(event.pointerId);
    draw(event);
  });
  canvas.addEventListener("pointermove", draw);
  canvas.addEventListener("pointerup", () => { if (last) { last = null; classify(); } });
  canvas.addEventListener("pointercancel", () => { last = null; });
  for (const name of ["dragenter", "dragover"]) {
    addEventListener(name, (event) => { event.preventDefault(); canvas.classList.add("over"); });
  }
  addEventListener("dragleave", () => canvas.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    canvas.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => take(event.clipboardData.files[0]));
  get("file").addEventListener("change", (event) => {
    take(event.target.files[0]);
    event.target.value = "";  // so that choosing the same file again is a change too
  });
  get("clear").addEventListener("click", () => { clear(); say(""); });
  get("add").addEventListener("click", () => add_part("", 0.5));
  get("again").addEventListener("click", () => { get("seed").value = Math.floor(Math.random() * 1e6); sample(); });
  get("edit").addEventListener("submit", (event) => { event.preventDefault(); edit(); });
  get("controls").addEventListener("submit", (event) => { event.preventDefault(); sample(); });
  get("controls").addEventListener("change", sample);
  addEventListener("input", show_outputs);
}

async function start() {
  about = await ask("about");
  document.title = `${about.name} – zoo demo`;
  get("name").textContent = about.name;
  const [channels, height, width] = about.shape;
  get("what").textContent = `${about.entry} on ${about.data}, pictures of ${height} x ${width}, ${channels === 1 ? "grey" : "in colour"}`;
  get("names").replaceChildren(...about.classes.map((value) => element("option", { value })));
  get("picture").hidden = !(about.classifies || about.edits);
  get("classes").hidden = !about.classifies;
  get("edit").hidden = !about.edits;
  get("sample").hidden = !about.samples;
  get("mixture").hidden = !about.prompts;
  get("rule-row").hidden = !about.multiplies;
  get("pen").value = Math.min(48, 1.1 * canvas.width / Math.max(height, width) + 4); // about one pixel of the model
  if (about.edits) get("to").value = about.classes[0] || "";
  clear();
  listen();
  if (about.samples) {
    if (about.prompts) add_part(about.classes[0] || "", 1);
    if (about.prompts && about.classes.length > 1) add_part(about.classes[1], 0);
    show_outputs();
    if (!about.prompts || about.classes.length) sample();
  }
}

start().catch((error) => say(error.message));
