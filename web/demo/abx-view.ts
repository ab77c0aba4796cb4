import type { Player } from "./audio.js";
import { abxResult, planAbx, type AbxResult, type Letter } from "./abx.js";
import { button, heading, make } from "./elements.js";
import { loadSound, type Samples, type System } from "./samples.js";

/** Show the trials of an ABX test in `place`, one after the other; return the result after the last one. */
export async function runAbx(
  place: HTMLElement,
  player: Player,
  samples: Samples,
  system: System,
  count: number,
  seed: number,
): Promise<AbxResult> {
  const trials = planAbx(samples.items.length, count, seed);
  const answers: Letter[] = [];
  for (const [t, { item, x }] of trials.entries()) {
    const files = { A: samples.references[item]!, B: system.files[item]! };
    const [a, b] = await Promise.all([loadSound(files.A), loadSound(files.B)]);
    const hidden = x === "A" ? a : b;
    answers.push(await ask(place, player, `Trial ${t + 1} of ${count}`, { A: a, B: b, X: hidden }));
  }
  const names = samples.items.map(({ name }) => name);
  return abxResult(["original", system.name], names, trials, answers, seed);
}

function ask(
  place: HTMLElement,
  player: Player,
  title: string,
  sounds: Record<"A" | "B" | "X", Float32Array<ArrayBuffer>>,
): Promise<Letter> {
  return new Promise((resolve) => {
    const head = heading(title);
    const answer = (letter: Letter): HTMLButtonElement => {
      const made = button(`X is ${letter}`, () => {
        player.stop();
        resolve(letter);
      });
      return Object.assign(made, { disabled: true });
    };
    const answers = [answer("A"), answer("B")];
    const play = (name: "A" | "B" | "X"): HTMLButtonElement =>
      button(`Play ${name}`, () => {
        player.play(sounds[name]);
        if (name === "X") answers.forEach((made) => (made.disabled = false));
      });
    place.replaceChildren(
      head,
      make("p", { textContent: "A is the original, B the coded version, X is one of the two. Which one?" }),
      make(
        "p",
        {},
        play("A"),
        play("B"),
        play("X"),
        button("Stop", () => player.stop()),
      ),
      make("p", {}, ...answers),
    );
    head.focus();
  });
}
