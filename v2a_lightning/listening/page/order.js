/* The order of a rater's trials, drawn from the test and the rater's code: the same again after a reload. */

function hashed(text) {
  let value = 2166136261;
  for (const character of text) value = Math.imul(value ^ character.codePointAt(0), 16777619);
  value = Math.imul(value ^ (value >>> 16), 2246822507);
  value = Math.imul(value ^ (value >>> 13), 3266489909);
  return (value ^ (value >>> 16)) >>> 0;
}

/** A source of numbers in [0, 1): a 32-bit counter, mixed. */
function randomSource(seed) {
  let counter = seed;
  return () => hashed(`${seed}/${(counter = (counter + 1) >>> 0)}`) / 2 ** 32;
}

function shuffled(items, random) {
  const drawn = [...items];
  for (let last = drawn.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [drawn[last], drawn[other]] = [drawn[other], drawn[last]];
  }
  return drawn;
}

/** The clip that more than half of the trials belong to, if there is one. */
function majority(trials) {
  const counts = new Map();
  for (const trial of trials) counts.set(trial.clip, (counts.get(trial.clip) ?? 0) + 1);
  for (const [clip, count] of counts) if (2 * count > trials.length) return clip;
  return null;
}

/** The same trials, with a clip twice in a row no oftener than must be: what would be left over at the end goes first. */
function apart(trials) {
  const waiting = [...trials];
  const placed = [];
  while (waiting.length) {
    const last = placed.length ? placed[placed.length - 1].clip : null;
    const urgent = majority(waiting);
    const fits = trial => trial.clip !== last && (urgent === null || urgent === last || trial.clip === urgent);
    placed.push(...waiting.splice(Math.max(0, waiting.findIndex(fits)), 1));
  }
  return placed;
}

/** All trials of a rater: every sound rated once, then the pairs of one block, each in a drawn order of its two. */
function drawTrials(content, rater) {
  const seed = hashed(`${content.test}/${rater}`);
  const random = randomSource(seed);
  const clipOf = code => content.sounds[code].clip;
  const ratings = Object.keys(content.sounds).map(code => ({ kind: "rating", key: code, clip: clipOf(code), sounds: [code] }));
  const block = content.blocks.length ? content.blocks[seed % content.blocks.length] : [];
  const pairs = block.map(codes => ({ kind: "pair", key: codes.join("-"), clip: clipOf(codes[0]), sounds: shuffled(codes, random) }));
  return [...apart(shuffled(ratings, random)), ...apart(shuffled(pairs, random))];
}
