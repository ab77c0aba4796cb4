import type { Player } from "./audio.js";
import { button, heading, make } from "./elements.js";
import { HIDDEN_REFERENCE, mushraResult, planMushra, type MushraResult, type Rating } from "./mushra.js";
import { loadSound, type Samples, type Version } from "./samples.js";

const QUALITIES = ["bad", "poor", "fair", "good", "excellent"] as const;

/** Show the trials of a MUSHRA test in `place`, one after the other; return the result after the last one. */
export async function runMushra(
  place: HTMLElement,
  player: Player,
  samples: Samples,
  test: Samples["tests"][number],
  seed: number,
): Promise<MushraResult> {
  const versions: Version[] = [
    { name: HIDDEN_REFERENCE, files: samples.references },
    samples.anchor,
    ...test.systems.map(({ name, files }) => ({ name, files })),
  ];
  const trials = planMushra(samples.items.length, versions.length, seed);
  const ratings: Rating[] = [];
  for (const [t, { item, order }] of trials.entries()) {
    const sounds = await Promise.all(order.map((v) => loadSound(versions[v]!.files[item]!)));
    const reference = await loadSound(samples.references[item]!);
    const title = `Excerpt ${t + 1} of ${trials.length}`;
    const scores = await ask(place, player, title, reference, sounds);
    const { name } = samples.items[item]!;
    order.forEach((v, k) => ratings.push({ item: name, version: versions[v]!.name, score: scores[k]! }));
  }
  return mushraResult(test.kbps, ratings, seed);
}

function ask(
  place: HTMLElement,
  player: Player,
  title: string,
  reference: Float32Array<ArrayBuffer>,
  sounds: readonly Float32Array<ArrayBuffer>[],
): Promise<number[]> {
  return new Promise((resolve) => {
    const [head, hint] = [heading(title), make("p", { id: "hint" })];
    const rows = sounds.map((sound, k) => new Row(k, () => player.play(sound), update));
    const next = button("Next", () => {
      player.stop();
      resolve(rows.map(({ score }) => score));
    });
    function update(): void {
      const missing = rows.filter(({ done }) => !done).length;
      next.disabled = missing > 0;
      hint.textContent = missing > 0 ? `${missing} versions are not yet played and rated.` : "All versions are rated.";
    }
    place.replaceChildren(
      head,
      make("p", {
        textContent:
          "Rate how close each version is to the reference: 100 is no difference. One version is the reference itself." +
          " On a slider, the arrow keys rate and Enter plays.",
      }),
      make(
        "p",
        {},
        button("Play reference", () => player.play(reference)),
        button("Stop", () => player.stop()),
      ),
      ...rows.map(({ line }) => line),
      hint,
      next,
    );
    update();
    head.focus();
  });
}

/** One version: a button that plays it, and a slider. */
class Row {
  readonly line: HTMLElement;
  private readonly slider: HTMLInputElement;
  private played = false;
  private rated = false;

  constructor(k: number, play: () => void, changed: () => void) {
    const name = `Version ${k + 1}`;
    const playAndNote = (): void => {
      play();
      this.played = true;
      changed();
    };
    const shown = make("output", { textContent: "–" });
    this.slider = make("input", { type: "range", min: "0", max: "100", value: "50", id: `rating-${k + 1}` });
    this.slider.setAttribute("aria-valuetext", "not rated");
    this.slider.oninput = () => {
      this.rated = true;
      const quality = QUALITIES[Math.min(Math.floor(this.score / 20), 4)]!;
      shown.textContent = `${this.score}, ${quality}`;
      this.slider.setAttribute("aria-valuetext", shown.textContent);
      changed();
    };
    this.slider.onkeydown = ({ key }) => {
      if (key === "Enter") playAndNote();
    };
    const label = make("label", { htmlFor: this.slider.id, textContent: name });
    this.line = make("div", { className: "rating" }, button(`Play version ${k + 1}`, playAndNote), label);
    this.line.append(this.slider, shown);
  }

  get score(): number {
    return Number(this.slider.value);
  }

  get done(): boolean {
    return this.played && this.rated;
  }
}
