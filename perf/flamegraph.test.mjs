import { describe, expect, it } from 'vitest';
import { fitted, renderFlameGraph } from './flamegraph.mjs';

const stacks = new Map([
  ['t;a;b', 30],
  ['t;a', 10],
  ['t;c<int>&"\'', 60],
]);

/** name -> place and title of each frame that was drawn */
function frames(svg) {
  const pattern =
    /<g class="f" data-name="([^"]*)"><title>([^<]*)<\/title><rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="\d+" fill="([^"]*)"/g;
  return Object.fromEntries(
    [...svg.matchAll(pattern)].map(([, name, title, x, y, width, fill]) => [
      name,
      { title, x: Number(x), y: Number(y), width: Number(width), fill },
    ]),
  );
}

describe('renderFlameGraph', () => {
  const drawn = frames(renderFlameGraph(stacks, { title: 'T' }));

  it('gives each frame the width of its weight, above its caller', () => {
    expect(Object.keys(drawn)).toEqual(['all', 't', 'a', 'b', 'c&#60;int&#62;&#38;&#34;&#39;']);
    expect(drawn.all.width).toBe(1180);
    expect(drawn.a).toMatchObject({ x: 10, width: 472, title: 'a (40.00 %)' });
    expect(drawn.b.width).toBe(354);
    expect(drawn.b.x).toBe(drawn.a.x);
    expect(drawn.b.y).toBeLessThan(drawn.a.y);
    expect(drawn['c&#60;int&#62;&#38;&#34;&#39;'].x).toBe(482);
  });

  it('escapes what comes from symbol names, title and subtitle', () => {
    const svg = renderFlameGraph(new Map([['</svg>', 1]]), { title: '<b>', subtitle: '&' });
    expect(svg.match(/<\/svg>/g)).toHaveLength(1);
    expect(svg).toContain('&#60;b&#62;');
    expect(svg).not.toContain('>&<');
  });

  it('leaves out what is too narrow to see', () => {
    const svg = renderFlameGraph(
      new Map([
        ['wide', 1e6],
        ['narrow', 1],
      ]),
      { title: 'T' },
    );
    expect(Object.keys(frames(svg))).toEqual(['all', 'wide']);
  });

  it('draws a capture without samples', () => {
    expect(renderFlameGraph(new Map(), { title: 'T' })).toContain('</svg>');
  });

  it('needs nothing from elsewhere', () => {
    const svg = renderFlameGraph(stacks, { title: 'T' });
    expect(svg).not.toMatch(/(href|src|url)\s*[=(]/);
    expect(svg).toContain('function zoom');
  });

  it('colours growth red and shrinkage blue against a baseline', () => {
    const baseline = new Map([
      ['t;a;b', 10],
      ['t;a', 10],
      ['t;c<int>&"\'', 80],
    ]);
    const compared = frames(renderFlameGraph(stacks, { title: 'T', baseline }));
    expect(compared.b.fill).toMatch(/^hsl\(5,/);
    expect(compared.b.title).toBe('b (30.00 %, +20.00 % of all)');
    expect(compared['c&#60;int&#62;&#38;&#34;&#39;'].fill).toMatch(/^hsl\(220,/);
    expect(compared.a.fill).toBe('hsl(220,80%,95%)');
  });
});

it.each([
  ['short', 100, 'short'],
  ['weft::engine::Outbound', 80, 'weft::eng..'],
  ['weft', 10, ''],
])('of %s in %d pixels fits %s', (name, width, text) => {
  expect(fitted(name, width)).toBe(text);
});
