/** The script inside the SVG, run on a stand-in for the few parts of a browser's document that it uses. */
import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { beforeEach, describe, expect, it } from 'vitest';
import { renderFlameGraph } from './flamegraph.mjs';

const script = readFileSync(new URL('flamegraph-client.js', import.meta.url), 'utf8');
const FRAME =
  /data-name="([^"]*)"><title>([^<]*)<\/title><rect x="([^"]*)" y="([^"]*)" width="([^"]*)"/g;

function element(attributes = {}) {
  const listeners = {};
  const classes = new Set();
  return {
    attributes,
    classes,
    style: {},
    textContent: '',
    getAttribute: (name) => attributes[name],
    setAttribute: (name, value) => {
      attributes[name] = value;
    },
    addEventListener: (type, listener) => {
      listeners[type] = listener;
    },
    fire: (type) => listeners[type]({}),
    classList: { toggle: (name, on) => (on ? classes.add(name) : classes.delete(name)) },
  };
}

let page;

/** name -> its group, with rect and text; answer: what the user types when asked */
function open(svg) {
  const groups = {};
  for (const [, name, title, x, y, width] of svg.matchAll(FRAME)) {
    const parts = { rect: element({ x, y, width }), text: element(), title: element() };
    parts.title.textContent = title;
    const querySelector = (tag) => parts[tag];
    groups[name] = Object.assign(element(), parts, { dataset: { name }, querySelector });
  }
  const byId = Object.fromEntries(
    ['reset', 'search', 'detail', 'found'].map((id) => [id, element()]),
  );
  page = { groups, byId, answer: null };
  const [, margin, character] = /data-margin="(\d+)" data-character="([\d.]+)"/.exec(svg);
  runInNewContext(script, {
    document: {
      documentElement: { dataset: { margin, character }, viewBox: { baseVal: { width: 1200 } } },
      getElementById: (id) => byId[id],
      querySelectorAll: () => Object.values(groups),
    },
    addEventListener: () => {},
    prompt: () => page.answer,
  });
}

beforeEach(() => {
  const stacks = new Map([
    ['t;a;b', 30],
    ['t;a;a2', 10],
    ['t;c', 60],
  ]);
  open(renderFlameGraph(stacks, { title: 'T' }));
});

const place = (name) => {
  const { x, width } = page.groups[name].rect.attributes;
  return [Number(x), Number(width)].map((value) => Math.round(value * 10) / 10);
};
const hidden = () =>
  Object.keys(page.groups).filter((name) => page.groups[name].style.display === 'none');

describe('zoom', () => {
  it('stretches a frame and what it calls over the whole width', () => {
    page.groups.a.fire('click');
    expect(place('a')).toEqual([10, 1180]);
    expect(place('b')).toEqual([305, 885]);
    expect(page.groups.b.text.textContent).toBe('b');
    expect(hidden()).toEqual(['c']);
  });

  it('keeps the callers in sight', () => {
    page.groups.b.fire('click');
    for (const name of ['all', 't', 'a']) {
      expect(place(name)).toEqual([10, 1180]);
      expect(page.groups[name].classes.has('up')).toBe(true);
    }
    expect(hidden()).toEqual(['a2', 'c']);
  });

  it('is undone by "Reset zoom"', () => {
    const before = Object.keys(page.groups).map(place);
    page.groups.b.fire('click');
    page.byId.reset.fire('click');
    expect(Object.keys(page.groups).map(place)).toEqual(before);
    expect(hidden()).toEqual([]);
  });
});

describe('search', () => {
  const search = (text) => {
    page.answer = text;
    page.byId.search.fire('click');
    return Object.keys(page.groups).filter((name) => page.groups[name].classes.has('hit'));
  };

  it('marks what matches, and counts nested matches once', () => {
    expect(search('^a\\d?$')).toEqual(['a', 'a2']);
    expect(page.byId.found.textContent).toBe('matched: 40.00 %');
  });

  it('is cleared by nothing, and left as it is on cancel', () => {
    search('^a$');
    expect(search(null)).toEqual(['a']);
    expect(search('')).toEqual([]);
  });

  it('tells a bad expression', () => {
    search('(');
    expect(page.byId.found.textContent).toMatch(/Invalid regular expression/);
  });
});
