/* What a rater has answered so far: kept in the browser, and saved as a file at the end. */

const ANSWERS_FORMAT = 1;

class Answers {
  constructor(content, rater) {
    this.content = content;
    this.rater = rater;
    this.trials = drawTrials(content, rater);
    this.keeps = true;
    const kept = this.#kept();
    this.started = kept?.started ?? new Date().toISOString();
    this.step = kept?.step ?? 0;
    this.given = kept?.given ?? {};
  }

  /** The code of whoever began last in this browser, if anyone did. */
  static last(content) {
    try {
      return localStorage.getItem(`listening-test/${content.test}`);
    } catch {
      return null;
    }
  }

  static isSimulated(rater) { return rater.startsWith("simulated"); }

  /** What is asked of a trial: one question for each scale, or which of two. */
  questions(trial) { return trial.kind === "pair" ? ["choice"] : this.content.asks; }

  of(trial) { return (this.given[trial.key] ??= { plays: 0, heard: [], failed: [], milliseconds: 0 }); }

  isComplete(trial) {
    const answer = this.of(trial);
    if (answer.failed.length) return true;
    return this.questions(trial).every(name => answer[name] !== undefined) && this.isHeard(trial);
  }

  isHeard(trial) { return trial.sounds.every(code => this.of(trial).heard.includes(code)); }

  get completed() { return this.trials.filter(trial => this.given[trial.key] && this.isComplete(trial)).length; }

  keep() {
    try {
      const { started, step, given } = this;
      localStorage.setItem(this.#name(), JSON.stringify({ started, step, given }));
      localStorage.setItem(`listening-test/${this.content.test}`, this.rater);
    } catch {
      this.keeps = false;
    }
  }

  /** The file's content. Only complete trials go in: a half answered one may not have been heard. */
  file(remark) {
    const { content, rater, started, trials } = this;
    const complete = trials.filter(trial => this.given[trial.key] && this.isComplete(trial));
    return {
      format: ANSWERS_FORMAT,
      test: content.test,
      rater,
      simulated: Answers.isSimulated(rater),
      started,
      saved: new Date().toISOString(),
      complete: complete.length === trials.length,
      trials: trials.length,
      browser: navigator.userAgent,
      remark,
      answers: complete.map(trial => this.#entry(trial)),
    };
  }

  #entry(trial) {
    const answer = this.of(trial);
    const shared = { kind: trial.kind, sounds: trial.sounds, place: this.trials.indexOf(trial), plays: answer.plays, milliseconds: Math.round(answer.milliseconds) };
    if (answer.failed.length) return { ...shared, failed: answer.failed };
    if (trial.kind === "pair") return { ...shared, chosen: trial.sounds[answer.choice - 1] };
    return { ...shared, ...Object.fromEntries(this.content.asks.map(name => [name, answer[name]])) };
  }

  #name() { return `listening-test/${this.content.test}/${this.rater}`; }

  #kept() {
    try {
      return JSON.parse(localStorage.getItem(this.#name()));
    } catch {
      return null;
    }
  }
}

function saveFile(name, value) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(value, null, 1)], { type: "application/json" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
