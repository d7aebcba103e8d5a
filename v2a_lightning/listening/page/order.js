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

/** The same trials, with no clip twice in a row as far as that can be had. */
function apart(trials) {
  const waiting = [...trials];
  const placed = [];
  while (waiting.length) {
    const last = placed.length ? placed[placed.length - 1].clip : null;
    const found = waiting.findIndex(trial => trial.clip !== last);
    placed.push(...waiting.splice(Math.max(0, found), 1));
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
