/* The course of the test: welcome, volume, two parts of trials, thanks. */

const $ = id => document.getElementById(id);
const content = JSON.parse($("content").textContent);
const KEYS = {
  rating: [["Space", "play or pause"], ["1–5", "rate"], ["↑ ↓", "other question"], ["← →", "along the scale"], ["Enter", "next"], ["⌫", "back"]],
  pair: [["Space", "play or pause"], ["A B", "play that one"], ["← →", "other sound"], ["1 2", "prefer A, B"], ["Enter", "next"], ["⌫", "back"]],
};
let answers = null;
let steps = [];
let view = null;
let volume = null;

const step = () => steps[answers.step];
const escaped = text => Object.assign(document.createElement("span"), { textContent: text }).innerHTML;
const keyList = keys => keys.map(([key, what]) => `<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`).join("");

function makeSteps(trials) {
  const parts = [];
  let last = null;
  for (const trial of trials) {
    if (trial.kind !== last) parts.push({ screen: "part", kind: trial.kind });
    parts.push({ screen: "trial", trial });
    last = trial.kind;
  }
  return [{ screen: "volume" }, ...parts, { screen: "done" }];
}

function minutes(trials) {
  const seconds = trials.reduce((sum, trial) => sum + trial.sounds.reduce((all, code) => all + 1.5 * content.sounds[code].seconds, 0) + 6, 60);
  return Math.max(1, Math.round(seconds / 60));
}

/* Screens */

function show() {
  view?.close();
  volume?.stop();
  view = volume = null;
  const now = answers ? step() : { screen: "welcome" };
  for (const screen of document.querySelectorAll("[data-screen]")) screen.hidden = screen.id !== now.screen;
  if (now.screen === "volume") volume = new Player($("volume-player"), content.check, "Play", null, { started() {}, heard: tell, failed() {} });
  if (now.screen === "part") showPart(now.kind);
  if (now.screen === "trial") showTrial(now.trial);
  tell();
  if (now.screen === "trial") view.focus();
  else if (answers) document.querySelector(`#${now.screen} h1`).focus();
  if (answers) scrollTo(0, 0);
}

function showPart(kind) {
  const kinds = [...new Set(answers.trials.map(trial => trial.kind))];
  const count = answers.trials.filter(trial => trial.kind === kind).length;
  const seen = Object.keys(content.pictures).length > 0;
  $("part-number").textContent = kinds.length > 1 ? `Part ${kinds.indexOf(kind) + 1} of ${kinds.length}` : "";
  $("part-title").textContent = kind === "pair" ? "Which of two?" : "One sound at a time";
  $("part-text").innerHTML = kind === "pair"
    ? `<p>${count} times you hear two sounds${seen ? " for the same picture" : ""}. Say which one you prefer; when they seem equal, follow your first impression.</p>`
    : `<p>You hear ${count} sounds${seen ? ", each with a picture it is meant for," : ""} and rate each from 1 to 5${content.asks.length > 1 ? ": the sound by itself, and how well it fits" : ""}. Some are good, some are not; the same picture comes back with other sounds.</p>`;
  $("part-keys").innerHTML = keyList(KEYS[kind]);
}

function showTrial(trial) {
  $("players").replaceChildren();
  $("questions").replaceChildren();
  $("trial-title").textContent = `${trial.kind === "pair" ? "Pair" : "Sound"} ${answers.trials.indexOf(trial) + 1} of ${answers.trials.length}`;
  $("hints").innerHTML = KEYS[trial.kind].map(([key, what]) => `<span><kbd>${key}</kbd> ${what}</span>`).join("");
  view = new TrialView(content, trial, answers, tell);
}

/** Bring everything that depends on the answers up to date, and keep them. */
function tell() {
  const trials = answers?.trials ?? [];
  const share = trials.length ? answers.completed / trials.length : 0;
  $("progress").firstChild.style.width = `${100 * share}%`;
  $("progress").setAttribute("aria-valuenow", String(Math.round(100 * share)));
  $("place").textContent = trials.length ? `${answers.completed} of ${trials.length}` : "";
  $("simulated").hidden = !(answers && Answers.isSimulated(answers.rater));
  $("early").hidden = !(answers && answers.completed && answers.completed < trials.length);
  for (const button of document.querySelectorAll(".next")) button.setAttribute("aria-disabled", String(Boolean(problem())));
  if (view && !view.problem) $("problem").textContent = "";
  answers?.keep();
  $("kept").textContent = answers && !answers.keeps ? "This browser does not keep your place: finish in one go." : "Your answers stay in this browser until you save them.";
}

function problem() {
  if (view) return view.problem;
  return volume && !volume.heard ? "Play the noise to its end first." : "";
}

/* Moves */

function next() {
  const found = problem();
  const line = view ? $("problem") : document.querySelector(`#${step().screen} .problem`);
  if (line) line.textContent = found;
  if (found) return;
  answers.step = Math.min(steps.length - 1, answers.step + 1);
  show();
}

function back() {
  answers.step = Math.max(0, answers.step - 1);
  show();
}

function begin() {
  const rater = $("rater").value.trim();
  if (!/^[\p{L}\p{N} ._@-]{1,40}$/u.test(rater)) {
    $("rater-problem").textContent = "Give a code of letters and digits.";
    $("rater").focus();
    return;
  }
  answers = new Answers(content, rater);
  steps = makeSteps(answers.trials);
  answers.step = Math.min(answers.step, steps.length - 1);
  show();
}

function save() {
  const name = `answers-${content.test}-${answers.rater.replace(/[^\w.-]+/g, "_")}.json`;
  saveFile(name, answers.file($("remark").value.trim()));
  $("saved").textContent = $("status").textContent = `Saved as ${name}.`;
}

/** Enter presses the button it is on, except that a sound already judged needs no more playing. */
const goesOn = target => !target.closest("button") || (target.matches(".play") && !problem());

document.addEventListener("keydown", event => {
  const { key, target } = event;
  if (!answers || event.ctrlKey || event.metaKey || event.altKey || target.matches("textarea, input[type=text]")) return;
  if (view?.key(event)) event.preventDefault();
  else if (key === "Backspace" && view) { event.preventDefault(); back(); }
  else if (key === "Enter" && step().screen !== "done" && goesOn(target)) { event.preventDefault(); next(); }
  else if (key === " " && volume && !target.closest("button")) { event.preventDefault(); volume.toggle(); }
});
// Some browsers press a focused button or radio when the space bar comes up again.
document.addEventListener("keyup", event => {
  if (event.key === " " && view && event.target.matches?.(".play, input[type=radio]")) event.preventDefault();
});
for (const button of document.querySelectorAll(".next")) button.addEventListener("click", next);
$("back").addEventListener("click", back);
$("reopen").addEventListener("click", back);
$("begin").addEventListener("click", begin);
$("save").addEventListener("click", save);
$("early").addEventListener("click", save);
$("rater").addEventListener("keydown", event => {
  if (event.key !== "Enter") return;
  // Else the key would also press the button that has the focus next.
  event.preventDefault();
  begin();
});
addEventListener("pagehide", () => answers?.keep());

const known = decodeURIComponent(new URLSearchParams(location.hash.slice(1)).get("rater") ?? "") || Answers.last(content);
$("rater").value = known ?? `rater-${Array.from(crypto.getRandomValues(new Uint8Array(4)), byte => byte.toString(36)).join("")}`;
const first = new Answers(content, $("rater").value);
$("summary").textContent = `You will hear ${first.trials.length} short sounds or pairs of sounds and say what you think of them. It takes about ${minutes(first.trials)} minutes.`;
if (first.completed) $("begin").textContent = `Go on: ${first.completed} of ${first.trials.length} are done`;
if (content.contact) $("contact").innerHTML = `, and then: ${escaped(content.contact)}`;
show();
$("rater").focus();
