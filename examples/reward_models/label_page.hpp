// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace reward_models {

/// The page of `reward_models label`; DATA stands for {"pairs": checksum, "items": [{"pair", "prompt", "pictures"},
/// ...]}. Nothing is fetched: the policy in it forbids whatever the page does not hold itself.
inline constexpr const char* label_page = R"html(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Which picture is better?</title>
<style>
  :root { color-scheme: light dark; --line: #767676; --accent: #1f6feb; --page: #fff; --text: #1a1a1a; --key: #f0f0f0; }
  @media (prefers-color-scheme: dark) {
    :root { --line: #8a8a8a; --accent: #6cb0ff; --page: #16181c; --text: #ececec; --key: #2a2d33; }
  }
  * { box-sizing: border-box; }
  body { margin: 0 auto; max-width: 52rem; padding: 1rem; background: var(--page); color: var(--text);
    font: 1.05rem/1.5 system-ui, sans-serif; text-align: center; }
  h1 { font-size: 1.6rem; margin: .5rem 0 1rem; }
  h1 small { display: block; font-size: 1rem; font-weight: normal; }
  #pair { display: flex; justify-content: center; gap: 1.5rem; }
  #pair button { padding: .5rem; background: #fff; border: 3px solid var(--line); border-radius: 12px; cursor: pointer; }
  #pair button:hover, #pair button:focus-visible { border-color: var(--accent); }
  #pair img { display: block; width: min(40vw, 20rem); height: min(40vw, 20rem); image-rendering: pixelated; }
  button:focus-visible, progress:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
  .row { margin: 1.25rem 0; display: flex; flex-wrap: wrap; justify-content: center; gap: .75rem; }
  .row button { font: inherit; padding: .5rem 1rem; color: inherit; background: var(--key);
    border: 1px solid var(--line); border-radius: 8px; cursor: pointer; }
  .row button:disabled { opacity: .45; cursor: default; }
  .row button.main { background: var(--accent); border-color: var(--accent); color: var(--page); font-weight: 600; }
  progress { width: 100%; height: .9rem; accent-color: var(--accent); }
  kbd { font: .85em ui-monospace, monospace; padding: .1em .45em; border: 1px solid var(--line); border-radius: 5px; }
  [hidden] { display: none !important; }
</style>
</head>
<body>
<main>
  <h1><small id="question">Which picture is better for</small><span id="prompt"></span></h1>
  <div id="pair">
    <button id="first"><img alt=""></button>
    <button id="second"><img alt=""></button>
  </div>
  <p id="end" hidden>All pairs are done. Thank you! Save the answers and hand them to
    <code>reward_models read-answers</code>.</p>
  <div class="row">
    <button id="undo">Undo <kbd>Backspace</kbd></button>
    <button id="neither">Neither is better <kbd>&darr;</kbd></button>
    <button id="save">Download answers</button>
  </div>
  <progress id="bar" value="0" aria-label="pairs answered"></progress>
  <p id="status" role="status" aria-live="polite"></p>
  <p>Click the better picture, or press <kbd>&larr;</kbd> or <kbd>&rarr;</kbd>. Nothing leaves this page until you
    download the answers.</p>
</main>
<noscript>This page needs JavaScript, which is in the page itself.</noscript>
<script type="application/json" id="data">DATA</script>
<script>
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const items = data.items;
  const at = (id) => document.getElementById(id);
  const key = "reward_models." + data.pairs + "." + items[0].pair + "." + items.length;
  let choices = [];
  try {  // what was answered before the page was closed, where the browser keeps such things for files
    const kept = JSON.parse(localStorage.getItem(key) || "[]");
    const known = ["first", "second", "neither"];
    if (Array.isArray(kept) && kept.length <= items.length && kept.every((c) => known.includes(c))) choices = kept;
  } catch (error) { choices = []; }

  function show() {
    const done = choices.length, over = done >= items.length;
    at("pair").hidden = at("question").hidden = over;
    at("end").hidden = !over;
    at("neither").disabled = over;
    at("undo").disabled = done === 0;
    at("save").disabled = done === 0;
    at("save").className = over ? "main" : "";
    at("bar").max = items.length;
    at("bar").value = done;
    at("status").textContent = done + " of " + items.length + " pairs answered";
    at("prompt").textContent = over ? "Done" : "\u201c" + items[done].prompt + "\u201d";
    if (over) { at("save").focus(); return; }
    ["first", "second"].forEach((side, i) => {
      const picture = at(side).firstElementChild;
      picture.src = "data:image/png;base64," + items[done].pictures[i];
      picture.alt = "the " + side + " picture for " + items[done].prompt;
    });
  }
  function keep() { try { localStorage.setItem(key, JSON.stringify(choices)); } catch (error) { /* only this visit */ } }
  function choose(choice) {
    if (choices.length >= items.length) return;
    choices.push(choice);
    keep();
    show();
  }
  function undo() { choices.pop(); keep(); show(); }
  function save() {
    const answers = choices.map((choice, i) => ({pair: items[i].pair, choice: choice}));
    const text = JSON.stringify({format: "reward_models.answers", pairs: data.pairs, answers: answers}, null, 1) + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}));
    link.download = "answers.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
  for (const choice of ["first", "second", "neither"]) at(choice).addEventListener("click", () => choose(choice));
  at("undo").addEventListener("click", undo);
  at("save").addEventListener("click", save);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    const does = {ArrowLeft: () => choose("first"), ArrowRight: () => choose("second"),
      ArrowDown: () => choose("neither"), Backspace: undo}[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
  show();
</script>
</body>
</html>
)html";

}  // namespace reward_models
