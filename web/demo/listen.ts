/** The listening test: set it up, run it, show and save the result; combine results of several listeners. */
import type { AbxResult, Letter } from "./abx.js";
import { runAbx } from "./abx-view.js";
import { Player } from "./audio.js";
import { button, element, heading, make, table } from "./elements.js";
import { combine, type MushraResult, type SystemMean } from "./mushra.js";
import { runMushra } from "./mushra-view.js";
import { loadSamples, versionsOf, type Samples, type Version } from "./samples.js";

const setup = element<HTMLFormElement>("setup");
const method = element<HTMLSelectElement>("method");
const rate = element<HTMLSelectElement>("rate");
const compared = { A: element<HTMLSelectElement>("version-a"), B: element<HTMLSelectElement>("version-b") };
const [trials, seed, listener] = ["trials", "seed", "listener"].map((id) => element<HTMLInputElement>(id)) as [
  HTMLInputElement,
  HTMLInputElement,
  HTMLInputElement,
];
const player = new Player();
const say = (text: string): void => void (element("status").textContent = text);

function credit(samples: Samples): void {
  const { items, levelDbov, missing } = samples;
  const lines = items.map(({ name, credit, licence }) => `${name}: ${credit}, ${licence}`);
  element("credits").replaceChildren(
    make("h2", { textContent: "Recordings and licences" }),
    make("ul", {}, ...lines.map((textContent) => make("li", { textContent }))),
    make("p", {
      textContent:
        "Changes: excerpts, low-pass filtered or coded and decoded, all versions at an active level of " +
        `${levelDbov} dB relative to full scale.`,
    }),
    ...missing.map((textContent) => make("p", { textContent })),
  );
}

function option(value: string, text: string): HTMLOptionElement {
  return make("option", { value, textContent: text });
}

function offer(samples: Samples): void {
  rate.replaceChildren(...samples.tests.map(({ kbps }, k) => option(String(k), `${kbps} kbps`)));
  const names = versionsOf(samples).map(({ name }) => name);
  for (const select of [compared.A, compared.B]) {
    select.replaceChildren(...names.map((name, k) => option(String(k), name)));
  }
  compared.B.value = "1"; // the first codec; A is the original
  const update = (): void => {
    for (const label of document.querySelectorAll<HTMLElement>(".abx")) label.hidden = method.value !== "abx";
    for (const label of document.querySelectorAll<HTMLElement>(".mushra")) label.hidden = method.value !== "mushra";
    const same = method.value === "abx" && compared.A.value === compared.B.value;
    compared.B.setCustomValidity(same ? "A and B are the same version: choose two different ones." : "");
  };
  method.onchange = compared.A.onchange = compared.B.onchange = update;
  update();
  seed.value = String(crypto.getRandomValues(new Uint32Array(1))[0]);
  setup.hidden = false;
  setup.onsubmit = (event) => {
    event.preventDefault();
    void run(samples).catch((error: Error) => say(`Failed: ${error.message}`));
  };
}

/** Return the versions that ABX compares. */
function chosen(samples: Samples): Record<Letter, Version> {
  const versions = versionsOf(samples);
  return { A: versions[Number(compared.A.value)]!, B: versions[Number(compared.B.value)]! };
}

async function run(samples: Samples): Promise<void> {
  const place = element("trial");
  setup.hidden = true;
  element("result").replaceChildren();
  say(`The test runs, seed ${seed.value}.`);
  const given = Number(seed.value);
  const result =
    method.value === "abx"
      ? await runAbx(place, player, samples, chosen(samples), Number(trials.value), given)
      : await runMushra(place, player, samples, samples.tests[Number(rate.value)]!, given);
  place.replaceChildren();
  setup.hidden = false;
  seed.value = String(crypto.getRandomValues(new Uint32Array(1))[0]);
  say("The test is complete.");
  show(result, samples);
}

function show(result: AbxResult | MushraResult, samples: Samples): void {
  const head = heading("Result");
  const { levelDbov, weights } = samples;
  const whole = { ...result, listener: listener.value, date: new Date().toISOString(), levelDbov, weights };
  const save = button("Save the result (JSON)", () => {
    const url = URL.createObjectURL(new Blob([JSON.stringify(whole, null, 1)], { type: "application/json" }));
    make("a", { href: url, download: `${result.method.toLowerCase()}-${result.seed}.json` }).click();
    URL.revokeObjectURL(url);
  });
  element("result").replaceChildren(head, ...(result.method === "ABX" ? abxParts(result) : mushraParts(result)), save);
  head.focus();
}

function abxParts({ versions, n, right, pValue, share, interval: [low, high] }: AbxResult): HTMLElement[] {
  const percent = (x: number): string => (100 * x).toFixed(0);
  const textContent =
    `${versions.A} against ${versions.B}: ${right} of ${n} answers are right, ${percent(share)} % ` +
    `(95 % interval ${percent(low)} to ${percent(high)} %). By guessing, as many or more are right with probability ` +
    `${pValue.toFixed(3)}.`;
  return [make("p", { textContent })];
}

function mushraParts({ kbps, systems, screening }: MushraResult): HTMLElement[] {
  const { share, lowest, limit, kept } = screening;
  const textContent =
    `The hidden reference was rated below ${lowest} in ${(100 * share).toFixed(0)} % of the excerpts; by ITU-R BS.1534, ` +
    `a listener is left out above ${100 * limit} %. This result ${kept ? "is kept" : "is left out"} in means over listeners.`;
  return [meansTable(`Ratings at ${kbps} kbps, means over the excerpts`, systems), make("p", { textContent })];
}

function meansTable(caption: string, systems: readonly SystemMean[]): HTMLElement {
  const rows = systems.map(({ version, n, mean, interval }) => [
    version,
    mean.toFixed(1),
    interval ? `${interval[0].toFixed(1)} to ${interval[1].toFixed(1)}` : "–",
    String(n),
  ]);
  return table(caption, ["version", "mean", "95 % interval", "ratings"], rows);
}

element<HTMLInputElement>("results").onchange = async ({ target }) => {
  const files = Array.from((target as HTMLInputElement).files ?? []);
  try {
    const results = await Promise.all(files.map(async (file) => JSON.parse(await file.text()) as MushraResult));
    if (results.some((result) => result.method !== "MUSHRA")) throw new Error("a file is no result of MUSHRA");
    const parts = combine(results).map(({ kbps, listeners, leftOut, systems }) =>
      meansTable(`${kbps} kbps: ${listeners} listeners, ${leftOut} left out after post-screening`, systems),
    );
    element("combined").replaceChildren(...parts);
  } catch (error) {
    say(`The results cannot be combined: ${(error as Error).message}.`);
  }
};

loadSamples().then(
  (samples) => {
    credit(samples);
    offer(samples);
    say("Choose a test and start.");
  },
  () => say("There are no samples; `make samples` in the repository makes them."),
);
