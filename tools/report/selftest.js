// report.html#selftest: everything on the page is used once, and what came of it stands as JSON in <pre id="selftest">.
const wait = ms => new Promise(done => setTimeout(done, ms));

function tableFaults(table) {
  const bad = [];
  table.querySelectorAll('th button').forEach((button, k) => {
    for (let turn = 0; turn < 2; ++turn) {
      button.click();
      const up = button.parentElement.getAttribute('aria-sort') === 'ascending';
      const cells = [...table.querySelectorAll(`tbody td:nth-child(${k + 1})`)];
      const shown = cells.filter(c => c.textContent !== '\u2013');
      if (cells.slice(shown.length).some(c => c.textContent !== '\u2013')) bad.push(`column ${k}: what is missing is not last`);
      const numbers = !cells.some(c => c.classList.contains('text'));
      shown.slice(1).forEach((c, i) => {
        const a = numbers ? Number(shown[i].title || shown[i].textContent) : shown[i].textContent;
        const b = numbers ? Number(c.title || c.textContent) : c.textContent;
        const order = numbers ? a - b : a.localeCompare(b, 'en', {numeric: true});
        if (up ? order > 0 : order < 0) bad.push(`column ${k}: ${a} before ${b}`);
      });
    }
  });
  return bad;
}

const blank = canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
  .every((v, i) => v === (i % 4 === 3 ? 255 : 0));

async function selfTest() {
  const all = selector => [...document.querySelectorAll(selector)];
  for (let i = 0; i < 200 && all('.case').some(c => !c.dataset.ready); ++i) await wait(50);
  const result = {tables: 0, rows: 0, charts: 0, tips: 0, sliders: 0, pictures: 0, blank: 0, faults: []};
  for (const table of all('table.sortable')) {
    ++result.tables;
    result.rows += table.querySelectorAll('tbody tr').length;
    result.faults.push(...tableFaults(table));
  }
  for (const figure of all('.chart')) {
    ++result.charts;
    const svg = figure.querySelector('svg'), box = svg.getBoundingClientRect();
    svg.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + box.width / 2, clientY: box.top + box.height / 2}));
    const tip = figure.querySelector('.tip');
    if (!tip.hidden && tip.textContent) ++result.tips;
    svg.dispatchEvent(new PointerEvent('pointerleave'));
    for (const button of figure.querySelectorAll('.legend button')) { button.click(); button.click(); }
    if (/NaN|Infinity|undefined/.test(svg.outerHTML)) result.faults.push(`chart ${figure.textContent}: a place that is no number`);
  }
  result.pictures = pictures.filter(p => p.naturalWidth > 0).length;
  if (result.pictures !== pictures.length) result.faults.push('a picture has no pixels');
  result.blank = all('.case canvas').filter(blank).length;
  for (const select of all('.case select')) {
    for (const option of ['off', 'filled', 'outlined']) { select.value = option; select.dispatchEvent(new Event('change')); }
  }
  for (const slider of all('.case input[type=range]')) {
    const canvas = slider.parentElement.querySelector('canvas'), first = canvas.toDataURL();
    let moved = false;
    for (let v = Number(slider.min); v <= Number(slider.max); v += Math.max(1, Math.floor(slider.max / 4))) {
      slider.value = v;
      slider.dispatchEvent(new Event('input'));
      moved = moved || canvas.toDataURL() !== first;
    }
    if (moved || slider.max === '0') ++result.sliders; else result.faults.push(`${slider.getAttribute('aria-label')}: the slider moves nothing`);
  }
  result.faults.push(...faults);
  result.ids = all('.case h3').map(h => h.textContent);
  document.body.append(make('pre', {id: 'selftest'}, JSON.stringify(result)));
}

start();
