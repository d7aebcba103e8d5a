/* A sound with its play button and, where there is a video, its picture in step. */

class Player {
  /**
   * @param place element to fill
   * @param source address of the sound
   * @param label what the button is called
   * @param video the video to run with it, or null
   * @param told {started, heard, failed} functions
   */
  constructor(place, source, label, video, told) {
    this.video = video;
    this.told = told;
    this.heard = false;
    this.failed = false;
    this.sound = new Audio(source);
    this.sound.preload = "auto";
    this.button = this.#button(label);
    this.track = document.createElement("div");
    this.track.className = "track";
    this.track.innerHTML = "<span></span>";
    this.mark = document.createElement("span");
    this.mark.className = "mark";
    place.replaceChildren(this.button, this.track, this.mark);
    this.#listen();
    this.#show();
  }

  get playing() { return !this.sound.paused; }

  toggle() { return this.playing ? this.sound.pause() : this.play(); }

  async play() {
    this.told.started(this);
    if (this.video) this.video.currentTime = this.sound.ended ? 0 : this.sound.currentTime;
    try {
      await Promise.all([this.sound.play(), this.video ? this.video.play() : null]);
    } catch (error) {
      // Pausing before playing has begun is no failure.
      if (error.name !== "AbortError") throw error;
    }
  }

  stop() {
    this.sound.pause();
    this.sound.currentTime = 0;
    this.#show();
  }

  #button(label) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "play";
    button.innerHTML = '<svg viewBox="0 0 24 24" aria-hidden="true"><path class="on" d="M8 5.5v13l10.5-6.5z"/><path class="off" d="M7 5.5h3.6v13H7zM13.4 5.5H17v13h-3.6z"/></svg><span></span>';
    button.lastChild.textContent = label;
    button.addEventListener("click", () => this.toggle());
    return button;
  }

  #listen() {
    const { sound } = this;
    for (const name of ["play", "pause", "ended"]) sound.addEventListener(name, () => this.#show());
    sound.addEventListener("playing", () => this.#draw());
    sound.addEventListener("pause", () => this.video?.pause());
    sound.addEventListener("ended", () => this.#end());
    sound.addEventListener("error", () => {
      this.failed = true;
      this.told.failed(this);
      this.#show();
    });
  }

  /** Heard is what was played from beginning to end: media keys can skip. */
  #end() {
    const { played, duration } = this.sound;
    let seconds = 0;
    for (let index = 0; index < played.length; index += 1) seconds += played.end(index) - played.start(index);
    if (seconds > duration - 0.2) this.heard = true;
    this.told.heard(this);
    this.#show();
  }

  #draw() {
    const { sound, video } = this;
    if (video && !video.ended && Math.abs(video.currentTime - sound.currentTime) > 0.08 && sound.currentTime < video.duration) video.currentTime = sound.currentTime;
    this.track.firstChild.style.width = `${100 * (sound.currentTime / (sound.duration || 1))}%`;
    if (this.playing) requestAnimationFrame(() => this.#draw());
  }

  #show() {
    this.button.classList.toggle("playing", this.playing);
    this.button.setAttribute("aria-pressed", String(this.playing));
    this.mark.textContent = this.failed ? "cannot be played" : this.heard ? "heard" : "not heard yet";
    this.mark.classList.toggle("done", this.heard);
    if (!this.playing) this.track.firstChild.style.width = this.sound.ended ? "100%" : `${100 * (this.sound.currentTime / (this.sound.duration || 1))}%`;
  }
}
