// Curves, points of a roofline, and scores of cases by group. A chart: {title, x_label, y_label, x_log, y_log, y_min,
// y_max, x, series: [{name, x, y, names, style: "line" | "dashed" | "points", colour}]}; a series without x has the chart's.
const W = 560, H = 300, LEFT = 58, RIGHT = 12, TOP = 10, BOTTOM = 38;

function scale(low, high, log, from, to) {
  if (log) { low = Math.log10(low); high = Math.log10(high); }
  if (low === high) { low -= Math.abs(low) * 0.1 || 0.5; high += Math.abs(high) * 0.1 || 0.5; }
  const place = v => from + ((log ? Math.log10(v) : v) - low) / (high - low) * (to - from);
  const ticks = [];
  if (log && high - low >= 1) {
    for (let e = Math.ceil(low - 1e-9); e <= high + 1e-9; ++e) ticks.push(10 ** e);
  } else {
    const ends = log ? [10 ** low, 10 ** high] : [low, high];
    const raw = (ends[1] - ends[0]) / 5, unit = 10 ** Math.floor(Math.log10(raw));
    const step = unit * [1, 2, 5, 10].find(m => m * unit >= raw);
    for (let t = Math.ceil(ends[0] / step - 1e-9) * step; t <= ends[1] + step * 1e-9; t += step) {
      ticks.push(Number(t.toPrecision(12)));
    }
  }
  return {place, ticks};
}

function range(values, log, low, high) {
  let least = Infinity, most = -Infinity;  // not Math.min(...values): there may be more than a call takes
  for (const v of values) { if (v < least) least = v; if (v > most) most = v; }
  if (least > most) { least = log ? 1 : 0; most = log ? 10 : 1; }
  return [low !== undefined ? low : least, high !== undefined ? high : most];
}

function tipOf(figure) {
  const tip = make('div', {class: 'tip', hidden: ''});
  figure.append(tip);
  const hide = () => { tip.hidden = true; };
  const show = (lines, x, svg) => {
    tip.textContent = lines.join('\n');
    tip.hidden = false;
    const box = svg.getBoundingClientRect(), all = figure.getBoundingClientRect();
    const left = x / W * box.width;
    tip.style.top = `${box.top - all.top + 12}px`;
    tip.style.left = left > box.width / 2 ? '' : `${left + 14}px`;
    tip.style.right = left > box.width / 2 ? `${box.width - left + 14}px` : '';
  };
  return {show, hide};
}

function axes(svg, c, xs, ys) {
  for (const t of ys.ticks) {
    svg.append(draw('line', {class: 'rule', x1: LEFT, x2: W - RIGHT, y1: ys.place(t), y2: ys.place(t)}),
      draw('text', {x: LEFT - 6, y: ys.place(t) + 4, 'text-anchor': 'end'}, text(t)));
  }
  for (const t of xs.ticks) {
    svg.append(draw('line', {class: 'rule', y1: TOP, y2: H - BOTTOM, x1: xs.place(t), x2: xs.place(t)}),
      draw('text', {x: xs.place(t), y: H - BOTTOM + 15, 'text-anchor': 'middle'}, text(t)));
  }
  svg.append(draw('path', {class: 'axis', d: `M${LEFT} ${TOP}V${H - BOTTOM}H${W - RIGHT}`}),
    draw('text', {x: (LEFT + W - RIGHT) / 2, y: H - 5, 'text-anchor': 'middle'}, c.x_label || ''),
    draw('text', {x: 12, y: (TOP + H - BOTTOM) / 2, 'text-anchor': 'middle',
      transform: `rotate(-90 12 ${(TOP + H - BOTTOM) / 2})`}, c.y_label || ''));
}

/** The points of a series that can be drawn. */
function pointsOf(c, s) {
  const points = [];
  s.y.forEach((y, i) => {
    const x = (s.x || c.x)[i];
    const there = y !== null && x !== null && !(c.x_log && x <= 0) && !(c.y_log && y <= 0);
    if (there) points.push({x, y, name: s.names ? s.names[i] : null, series: s.name});
  });
  return points;
}

function chart(c) {
  const figure = make('figure', {class: 'chart'}, make('figcaption', {}, c.title || ''));
  const svg = draw('svg', {viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': c.title || ''});
  const legend = make('div', {class: 'legend'});
  figure.append(svg, legend);
  const tip = tipOf(figure);
  const all = c.series.map((s, i) => ({...s, colour: s.colour || palette[i % palette.length], on: true, points: pointsOf(c, s)}));
  const scatter = all.some(s => s.style === 'points');
  let places = null;
  const redraw = () => {
    svg.replaceChildren();
    const shown = all.filter(s => s.on), points = shown.flatMap(s => s.points);
    const xs = scale(...range(points.map(p => p.x), c.x_log), c.x_log, LEFT + 6, W - RIGHT - 6);
    const ys = scale(...range(points.map(p => p.y), c.y_log, c.y_min, c.y_max), c.y_log, H - BOTTOM - 4, TOP + 4);
    places = {xs, ys, points: scatter ? shown.filter(s => s.style === 'points').flatMap(s => s.points) : points};
    axes(svg, c, xs, ys);
    for (const s of shown) {
      const dots = s.points.map(p => [xs.place(p.x).toFixed(1), ys.place(p.y).toFixed(1)]);
      if (s.style !== 'points') {
        svg.append(draw('polyline', {points: dots.map(d => d.join(',')).join(' '), fill: 'none', stroke: s.colour,
          'stroke-width': 1.6, 'stroke-dasharray': s.style === 'dashed' ? '5 4' : null}));
      }
      if (s.style === 'points' || dots.length <= 60) {
        for (const [cx, cy] of dots) {
          svg.append(draw('circle', {cx, cy, r: s.style === 'points' ? 4 : 2.2, fill: s.colour, 'fill-opacity': 0.85}));
        }
      }
    }
  };
  const nearest = e => {
    const box = svg.getBoundingClientRect();
    const at = {x: (e.clientX - box.left) / box.width * W, y: (e.clientY - box.top) / box.height * H};
    let best = null, least = Infinity;
    for (const p of places.points) {
      const dx = places.xs.place(p.x) - at.x, dy = scatter ? places.ys.place(p.y) - at.y : 0;
      if (dx * dx + dy * dy < least) { least = dx * dx + dy * dy; best = p; }
    }
    return best;
  };
  svg.addEventListener('pointermove', e => {
    const p = nearest(e);
    if (!p) return;
    svg.querySelectorAll('.guide').forEach(g => g.remove());
    const x = places.xs.place(p.x), y = places.ys.place(p.y);
    const lines = scatter ? [p.name || p.series, `${c.x_label}: ${text(p.x)}`, `${c.y_label}: ${text(p.y)}`]
      : [`${c.x_label || 'x'} ${text(p.x)}`,
        ...places.points.filter(q => q.x === p.x).map(q => `${q.series}: ${text(q.y)}`)];
    svg.append(scatter ? draw('circle', {class: 'guide', cx: x, cy: y, r: 8, fill: 'none'})
      : draw('line', {class: 'guide', x1: x, x2: x, y1: TOP, y2: H - BOTTOM}));
    tip.show(lines, x, svg);
  });
  svg.addEventListener('pointerleave', () => { tip.hide(); svg.querySelectorAll('.guide').forEach(g => g.remove()); });
  for (const s of all) {
    const button = make('button', {type: 'button', 'aria-pressed': 'true'},
      make('span', {class: 'swatch', style: `background:${s.colour}`}), s.name);
    button.addEventListener('click', () => {
      s.on = !s.on;
      button.setAttribute('aria-pressed', s.on);
      redraw();
    });
    legend.append(button);
  }
  redraw();
  return figure;
}

const quantile = (sorted, q) => {
  const at = (sorted.length - 1) * q, low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
};

/** A box and a dot per case for each group: {title, y_label, y_min, y_max, groups: [{name, values, names, baseline}]}. */
function distribution(d) {
  const figure = make('figure', {class: 'chart'}, make('figcaption', {}, d.title));
  const svg = draw('svg', {viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': d.title});
  figure.append(svg);
  const tip = tipOf(figure);
  const everything = d.groups.flatMap(g => [...g.values, g.baseline]).filter(v => v !== null && v !== undefined);
  const ys = scale(...range(everything, false, d.y_min, d.y_max), false, H - BOTTOM - 4, TOP + 4);
  axes(svg, d, {ticks: []}, ys);
  const width = (W - LEFT - RIGHT) / d.groups.length, dots = [];
  d.groups.forEach((g, k) => {
    const middle = LEFT + (k + 0.5) * width, colour = palette[k % palette.length], half = Math.min(60, width * 0.3);
    svg.append(draw('text', {x: middle, y: H - BOTTOM + 15, 'text-anchor': 'middle'}, g.name));
    const sorted = g.values.filter(v => v !== null).sort((a, b) => a - b);
    if (sorted.length > 0) {
      const [q1, q2, q3] = [0.25, 0.5, 0.75].map(q => ys.place(quantile(sorted, q)));
      svg.append(draw('rect', {x: middle - half, width: 2 * half, y: q3, height: Math.max(q1 - q3, 0.5), fill: colour,
        'fill-opacity': 0.15, stroke: colour}), draw('line', {x1: middle - half, x2: middle + half, y1: q2, y2: q2, stroke: colour, 'stroke-width': 2}));
    }
    if (g.baseline !== null && g.baseline !== undefined) {
      svg.append(draw('line', {x1: middle - 1.3 * half, x2: middle + 1.3 * half, y1: ys.place(g.baseline),
        y2: ys.place(g.baseline), stroke: 'currentColor', 'stroke-dasharray': '5 4'}));
    }
    g.values.forEach((v, i) => {
      if (v === null) return;
      const x = middle + half * 0.8 * (((i * 0.618034) % 1) * 2 - 1);  // side by side, the same every time
      dots.push({x, y: ys.place(v), lines: [g.names[i], `${g.name} ${d.title}: ${text(v)}`]});
      svg.append(draw('circle', {cx: x, cy: ys.place(v), r: 3, fill: colour, 'fill-opacity': 0.8}));
    });
  });
  svg.addEventListener('pointermove', e => {
    const box = svg.getBoundingClientRect();
    const far = p => Math.hypot(p.x - (e.clientX - box.left) / box.width * W, p.y - (e.clientY - box.top) / box.height * H);
    const p = dots.reduce((a, b) => a && far(a) <= far(b) ? a : b, null);
    if (p) tip.show(p.lines, p.x, svg);
  });
  svg.addEventListener('pointerleave', tip.hide);
  return figure;
}

kinds.charts = s => make('div', {class: s.wide ? 'grid wide' : 'grid'}, ...s.charts.map(chart));
kinds.distributions = s => make('div', {class: 'grid'}, ...s.distributions.map(distribution));
