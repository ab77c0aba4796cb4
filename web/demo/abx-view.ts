import { abxResult, planAbx, type AbxResult, type Letter } from "./abx.js";
import type { Player } from "./audio.js";
import { button, heading, make } from "./elements.js";
import { loadSound, type Samples, type Version } from "./samples.js";

type Sounds = Readonly<Record<"A" | "B" | "X", Float32Array<ArrayBuffer>>>;

/** Show the trials of an ABX test in `place`, one after the other; return the result after the last one. */
export async function runAbx(
  place: HTMLElement,
  player: Player,
  samples: Samples,
  versions: Readonly<Record<Letter, Version>>,
  count: number,
  seed: number,
): Promise<AbxResult> {
  const trials = planAbx(samples.items.length, count, seed);
  const titles = { A: versions.A.name, B: versions.B.name };
  const answers: Letter[] = [];
  for (const [t, { item, x }] of trials.entries()) {
    const [A, B] = await Promise.all([versions.A, versions.B].map(({ files }) => loadSound(files[item]!)));
    const sounds = { A: A!, B: B!, X: x === "A" ? A! : B! };
    answers.push(await ask(place, player, `Trial ${t + 1} of ${count}`, titles, sounds));
  }
  const names = samples.items.map(({ name }) => name);
  return abxResult(titles, names, trials, answers, seed);
}

function ask(
  place: HTMLElement,
  player: Player,
  title: string,
  titles: Readonly<Record<Letter, string>>,
  sounds: Sounds,
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
    const play = (name: keyof Sounds): HTMLButtonElement =>
      button(`Play ${name}`, () => {
        player.play(sounds[name]);
        if (name === "X") answers.forEach((made) => (made.disabled = false));
      });
    const plays = [play("A"), play("B"), play("X")];
    const keys = new Map(["a", "b", "x"].map((key, k) => [key, plays[k]!] as const));
    const trial = make(
      "div",
      {
        onkeydown: ({ key, altKey, ctrlKey, metaKey }) => {
          if (!altKey && !ctrlKey && !metaKey) keys.get(key.toLowerCase())?.click();
        },
      },
      head,
      make("p", {
        textContent: `A: ${titles.A}. B: ${titles.B}. X is one of the two: which one? The keys A, B and X play them.`,
      }),
      make(
        "p",
        {},
        ...plays,
        button("Stop", () => player.stop()),
      ),
      make("p", {}, ...answers),
    );
    place.replaceChildren(trial);
    head.focus();
  });
}
