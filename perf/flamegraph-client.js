// Runs inside the SVG of flamegraph.mjs, in a browser: zoom by a click, search by Ctrl-F or the button.
(() => {
  const svg = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const margin = Number(svg.dataset.margin);
  const character = Number(svg.dataset.character);
  const room = svg.viewBox.baseVal.width - 2 * margin;
  const frames = [...document.querySelectorAll('.f')].map((group) => {
    const rect = group.querySelector('rect');
    const number = (name) => Number(rect.getAttribute(name));
    return {
      group,
      rect,
      text: group.querySelector('text'),
      name: group.dataset.name,
      x: number('x'),
      y: number('y'),
      width: number('width'),
    };
  });

  function show(frame, x, width) {
    const fits = Math.floor((width - 4) / character);
    const { name } = frame;
    frame.rect.setAttribute('x', x);
    frame.rect.setAttribute('width', width);
    frame.text.setAttribute('x', x + 3);
    const cut = name.length <= fits ? name : `${name.slice(0, fits - 2)}..`;
    frame.text.textContent = fits < 3 ? '' : cut;
  }

  // What lies below the chosen frame spans the whole width, what lies above it is stretched with it.
  function zoom(chosen) {
    const slack = 0.01;
    const scale = room / chosen.width;
    for (const frame of frames) {
      const end = frame.x + frame.width;
      const below = frame.y > chosen.y;
      const around = frame.x <= chosen.x + slack && end >= chosen.x + chosen.width - slack;
      const within = frame.x >= chosen.x - slack && end <= chosen.x + chosen.width + slack;
      frame.group.style.display = (below ? around : within) ? '' : 'none';
      frame.group.classList.toggle('up', below && around);
      if (below) show(frame, margin, room);
      else show(frame, margin + (frame.x - chosen.x) * scale, frame.width * scale);
    }
  }

  function search() {
    const text = prompt('Regular expression of function names (nothing: clear)');
    if (text === null) return;
    let pattern = null;
    try {
      pattern = text === '' ? null : new RegExp(text);
    } catch (error) {
      byId('found').textContent = error.message;
      return;
    }
    // A function that is found again above itself must not count twice.
    const hits = frames.filter((frame) => pattern?.test(frame.name));
    for (const frame of frames) frame.group.classList.toggle('hit', hits.includes(frame));
    const covered = (frame) =>
      hits.some((h) => h.y > frame.y && h.x <= frame.x && h.x + h.width >= frame.x + frame.width);
    const width = hits.filter((f) => !covered(f)).reduce((sum, f) => sum + f.width, 0);
    byId('found').textContent = pattern ? `matched: ${((100 * width) / room).toFixed(2)} %` : '';
  }

  for (const frame of frames) {
    frame.group.addEventListener('click', () => zoom(frame));
    frame.group.addEventListener('mouseover', () => {
      byId('detail').textContent = frame.group.querySelector('title').textContent;
    });
  }
  byId('reset').addEventListener('click', () => zoom(frames[0]));
  byId('search').addEventListener('click', search);
  addEventListener('keydown', (event) => {
    if (event.key !== 'F3' && !(event.ctrlKey && event.key === 'f')) return;
    event.preventDefault();
    search();
  });
})();
