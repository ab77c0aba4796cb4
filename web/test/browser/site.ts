/** The site in a real browser. `CQ_SITE` names the folder that `make demo` writes, `CHROMIUM` the program. */
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createRequire } from "node:module";
import { chromium, type Page } from "playwright-core";

const SITE = process.env["CQ_SITE"]!;
const TYPES: Record<string, string> = {
  html: "text/html",
  js: "text/javascript",
  css: "text/css",
  wasm: "application/wasm",
};

export interface Site {
  readonly page: Page;
  /** Errors of the page, and requests to other servers. */
  readonly problems: string[];
  close(): Promise<void>;
}

/** Serve the folder, open a page, and note problems. @param extra - files that are not in the folder */
export async function openSite(name: string, extra: Readonly<Record<string, Buffer>> = {}): Promise<Site> {
  const server = createServer((request, response) => {
    const path = request.url!.slice(1);
    response.setHeader("Content-Type", TYPES[path.split(".").at(-1)!] ?? "application/octet-stream");
    if (extra[path]) return void response.end(extra[path]);
    createReadStream(`${SITE}/${path}`)
      .on("error", () => response.writeHead(404).end())
      .pipe(response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const at = await openPage(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`);
  return {
    ...at,
    async close() {
      await at.close();
      server.close();
    },
  };
}

/** Open an address in a browser of its own, and note problems. */
export async function openPage(url: string): Promise<Site> {
  const microphone = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]; // it beeps
  const args = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", ...microphone];
  const browser = await chromium.launch({ executablePath: process.env["CHROMIUM"]!, args });
  const page = await browser.newPage({ viewport: { width: 1100, height: 900 } });
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on(
    "request",
    (request) => /^(http:\/\/127|blob:|data:|file:)/.test(request.url()) || problems.push(request.url()),
  );
  await page.goto(url);
  return { page, problems, close: () => browser.close() };
}

/** Wait until the status line matches; return it. */
export async function statusLike(page: Page, pattern: RegExp): Promise<string> {
  const status = page.getByRole("status").filter({ hasText: pattern });
  await status.waitFor({ timeout: 120000 });
  return (await status.textContent())!;
}

/** Return the serious and critical faults that axe finds. */
export async function seriousFaults(page: Page): Promise<string[]> {
  await page.addScriptTag({ path: createRequire(import.meta.url).resolve("axe-core") });
  const faults = await page.evaluate(async () => {
    const axe = (globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; impact: string }[] }> } })
      .axe;
    return (await axe.run()).violations.map(({ id, impact }) => `${impact}: ${id}`);
  });
  return faults.filter((fault) => /^(serious|critical)/.test(fault));
}

/** Return a file of mono samples of 16 bits at 16 kHz. */
export function wav(samples: ArrayLike<number>): Buffer {
  const data = Buffer.alloc(44 + 2 * samples.length);
  data.write("RIFF", 0);
  data.writeUInt32LE(36 + 2 * samples.length, 4);
  data.write("WAVEfmt ", 8);
  data.writeUInt32LE(16, 16);
  data.writeUInt16LE(1, 20);
  data.writeUInt16LE(1, 22);
  data.writeUInt32LE(16000, 24);
  data.writeUInt32LE(32000, 28);
  data.writeUInt16LE(2, 32);
  data.writeUInt16LE(16, 34);
  data.write("data", 36);
  data.writeUInt32LE(2 * samples.length, 40);
  Array.from(samples).forEach((x, n) => data.writeInt16LE(x, 44 + 2 * n));
  return data;
}
