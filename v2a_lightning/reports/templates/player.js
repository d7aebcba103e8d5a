// One sound at a time; a line over its spectrogram shows where it is, in steps for those who want less motion.
const smooth = !matchMedia("(prefers-reduced-motion: reduce)").matches;
for (const figure of document.querySelectorAll("figure")) {
  const player = figure.querySelector("audio"), picture = figure.querySelector(".spectrogram"), head = picture.querySelector(".head");
  const draw = () => {
    head.style.left = `${100 * player.currentTime / (player.duration || 1)}%`;
    if (smooth && !player.paused) requestAnimationFrame(draw);
  };
  player.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== player) other.pause();
    picture.classList.add("playing");
    draw();
  });
  player.addEventListener(smooth ? "seeked" : "timeupdate", draw);
  player.addEventListener("ended", () => picture.classList.remove("playing"));
  picture.addEventListener("click", event => {
    const box = picture.getBoundingClientRect();
    player.currentTime = (event.clientX - box.left) / box.width * player.duration;
    player.play();
  });
}
