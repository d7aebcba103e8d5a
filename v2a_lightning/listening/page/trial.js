/* One trial on the screen: its picture, its sounds, its questions, and the keys that serve them. */

const QUESTIONS = {
  fidelity: { text: "How good is the sound itself?", note: "By ear alone: clear and natural, or broken?", options: ["Bad", "Poor", "Fair", "Good", "Excellent"] },
  relevance: { text: "How well does it fit the picture?", note: "Would this scene sound like this, at this moment?", options: ["Not at all", "A little", "Partly", "Mostly", "Fully"] },
  choice: { text: "Which sound do you prefer?", note: "Weigh how it sounds and how well it fits.", options: ["Sound A", "Sound B"] },
};

class TrialView {
  /**
   * @param content the test
   * @param trial the trial
   * @param answers the rater's
   * @param changed function called after every change
   */
  constructor(content, trial, answers, changed) {
    Object.assign(this, { content, trial, answers, changed });
    this.video = this.#showPicture(content.pictures[trial.clip]);
    this.players = trial.sounds.map((code, index) => this.#addPlayer(code, index));
    this.groups = answers.questions(trial).map(name => this.#addQuestion(name));
    this.active = this.players[0];
    this.since = performance.now();
  }

  get answer() { return this.answers.of(this.trial); }

  /** Why the trial cannot be left yet; empty when it can. */
  get problem() {
    if (this.answers.isComplete(this.trial)) return "";
    const missing = this.groups.filter(group => this.answer[group.name] === undefined);
    if (!this.answers.isHeard(this.trial)) return this.players.length > 1 ? "Listen to both sounds to their end first." : "Listen to the sound to its end first.";
    return missing.length > 1 ? "Answer both questions first." : `Still open: ${QUESTIONS[missing[0].name].text}`;
  }

  close() {
    this.answer.milliseconds += performance.now() - this.since;
    for (const player of this.players) player.stop();
  }

  focus() { this.active.button.focus(); }

  /** Handle a key; true when it was one of ours. */
  key(event) {
    const { key, target } = event;
    if (key === " ") return this.#space(target);
    if (/^[1-9]$/.test(key)) return this.#choose(this.#current(), Number(key));
    if (this.trial.kind === "pair" && /^[ab]$/i.test(key)) return this.#switch(key.toLowerCase() === "a" ? 0 : 1, true);
    if (key === "ArrowUp" || key === "ArrowDown") return this.#moveBetween(key === "ArrowDown" ? 1 : -1);
    if (key === "ArrowLeft" || key === "ArrowRight") return this.#moveAlong(key === "ArrowRight" ? 1 : -1, target);
    return false;
  }

  #showPicture(picture) {
    const stage = document.getElementById("stage");
    stage.hidden = !picture;
    if (!picture) return null;
    const shown = document.createElement(picture.kind === "video" ? "video" : "img");
    shown.src = picture.source;
    if (picture.kind === "video") Object.assign(shown, { muted: true, playsInline: true, preload: "auto", disablePictureInPicture: true });
    else shown.alt = "The picture the sound is meant for";
    if (picture.kind === "video") shown.setAttribute("aria-label", "The video the sound is meant for; it plays with the sound");
    stage.replaceChildren(shown);
    return picture.kind === "video" ? shown : null;
  }

  #addPlayer(code, index) {
    const place = document.createElement("div");
    place.className = "player";
    const label = this.trial.kind === "pair" ? `Play ${"AB"[index]}` : "Play";
    const told = {
      started: player => {
        for (const other of this.players) if (other !== player) other.stop();
        this.active = player;
        this.answer.plays += 1;
      },
      heard: player => this.#heard(code, player),
      failed: () => {
        if (!this.answer.failed.includes(code)) this.answer.failed.push(code);
        this.changed();
      },
    };
    const player = new Player(place, this.content.sounds[code].source, label, this.video, told);
    player.heard = this.answer.heard.includes(code);
    if (player.heard) Object.assign(player.mark, { textContent: "heard", className: "mark done" });
    document.getElementById("players").append(place);
    return player;
  }

  #heard(code, player) {
    if (player.heard && !this.answer.heard.includes(code)) this.answer.heard.push(code);
    this.active = this.players.find(other => !other.heard) ?? player;
    this.changed();
  }

  #addQuestion(name) {
    const { text, note, options } = QUESTIONS[name];
    const group = document.createElement("fieldset");
    group.name = name;
    group.className = `scale of-${options.length}`;
    group.innerHTML = `<legend>${text}</legend><p class="soft" id="note-${name}">${note}</p><div class="options" role="radiogroup" aria-label="${text}" aria-describedby="note-${name}"></div>`;
    options.forEach((option, index) => group.lastChild.append(this.#option(name, index + 1, option)));
    document.getElementById("questions").append(group);
    return group;
  }

  #option(name, value, text) {
    const label = document.createElement("label");
    label.innerHTML = `<input type="radio" name="${name}" value="${value}"><span class="digit">${value}</span><span class="word">${text}</span>`;
    const input = label.firstChild;
    input.checked = this.answer[name] === value;
    input.addEventListener("change", () => {
      this.answer[name] = value;
      this.changed();
    });
    return label;
  }

  /** The question that digits answer: the focused one, else the first open one, else the last. */
  #current() {
    const focused = this.groups.find(group => group.contains(document.activeElement));
    return focused ?? this.groups.find(group => this.answer[group.name] === undefined) ?? this.groups[this.groups.length - 1];
  }

  #choose(group, value) {
    const input = group.querySelector(`input[value="${value}"]`);
    if (!input) return false;
    const wasOpen = this.answer[group.name] === undefined;
    input.checked = true;
    input.dispatchEvent(new Event("change"));
    const next = this.groups.find(other => this.answer[other.name] === undefined);
    this.#focusOn(wasOpen && next ? next : group);
    return true;
  }

  #focusOn(group) { (group.querySelector("input:checked") ?? group.querySelector("input")).focus(); }

  #space(target) {
    if (target.closest("button:not(.play)")) return false;
    (this.players.find(player => player.button === target) ?? this.active).toggle();
    return true;
  }

  #switch(index, andPlay) {
    this.active = this.players[index];
    this.active.button.focus();
    if (andPlay) this.active.toggle();
    return true;
  }

  #moveBetween(step) {
    const places = [null, ...this.groups];
    const now = places.findIndex(group => group?.contains(document.activeElement));
    const next = places[Math.min(places.length - 1, Math.max(0, Math.max(0, now) + step))];
    if (next) this.#focusOn(next);
    else this.focus();
    return true;
  }

  /** Along the scale when it has the focus, else between the sounds of a pair. */
  #moveAlong(step, target) {
    const group = this.groups.find(one => one.contains(target));
    if (!group && this.players.length > 1) return this.#switch(step > 0 ? 1 : 0, false);
    if (!group) return this.#moveBetween(1);
    const inputs = [...group.querySelectorAll("input")];
    const now = inputs.findIndex(input => input.checked);
    const next = now < 0 ? inputs.indexOf(target) : Math.min(inputs.length - 1, Math.max(0, now + step));
    inputs[next].checked = true;
    inputs[next].dispatchEvent(new Event("change"));
    inputs[next].focus();
    return true;
  }
}
