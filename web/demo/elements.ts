/** Elements of the page, found or made. */

export const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

type Child = Node | string;

/** Make an element with properties and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function button(text: string, onclick: () => void): HTMLButtonElement {
  return make("button", { type: "button", textContent: text, onclick });
}

/** Make a heading that takes the focus when it is shown, so that screen readers read on from there. */
export function heading(text: string): HTMLHeadingElement {
  return make("h2", { textContent: text, tabIndex: -1 });
}

/** Make a table; the first cell of a row is its heading. */
export function table(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): HTMLElement {
  const cell = (text: string, k: number): HTMLElement =>
    k === 0 ? make("th", { textContent: text, scope: "row" }) : make("td", { textContent: text });
  return make(
    "table",
    {},
    make("caption", { textContent: caption }),
    make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { textContent: text, scope: "col" })))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map(cell)))),
  );
}
