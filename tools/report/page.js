'use strict';
// The page of a model, {title, subtitle, refresh_seconds, sections: [{kind, title, ...}]}: every kind has a function that
// makes an element of a section. Text comes in as text alone, never as HTML.
const faults = [];
window.addEventListener('error', e => faults.push(String(e.message)));
window.addEventListener('unhandledrejection', e => faults.push(String(e.reason)));
const said = console.error.bind(console);
console.error = (...words) => { faults.push(words.join(' ')); said(...words); };

const svgSpace = document.getElementById('svg').namespaceURI;
const kinds = {};
const palette = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7f7f7f', '#8c564b', '#9467bd', '#bcbd22'];

function put(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter(c => c !== null && c !== undefined).map(c => c instanceof Node ? c : String(c)));
  return node;
}
const make = (tag, attributes, ...children) => put(document.createElement(tag), attributes, children);
const draw = (tag, attributes, ...children) => put(document.createElementNS(svgSpace, tag), attributes, children);

/** Four digits that count; a dash for what was not measured. */
function text(value, digits) {
  if (value === null || value === undefined) return '\u2013';
  if (typeof value !== 'number') return String(value);
  if (digits !== undefined) return value.toFixed(digits);
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(3) : String(Number(value.toPrecision(4)));
}

kinds.facts = s => make('dl', {}, ...s.items.flatMap(([key, value]) => [make('dt', {}, key), make('dd', {}, text(value))]));
kinds.text = s => make('pre', {}, s.text);
kinds.message = s => make('p', {class: 'warn'}, s.text);

/** Reads the file again while a run goes on, unless somebody looks at something else. */
function follow(seconds) {
  const again = () => document.visibilityState === 'visible' ? location.reload() : setTimeout(again, 1000 * seconds);
  const box = make('input', {type: 'checkbox', checked: ''});
  let timer = setTimeout(again, 1000 * seconds);
  box.addEventListener('change', () => {
    clearTimeout(timer);
    if (box.checked) timer = setTimeout(again, 1000 * seconds);
  });
  document.getElementById('subtitle').append(' ', make('label', {}, box, ` read anew every ${seconds} s`));
}

function start() {
  const model = JSON.parse(document.getElementById('model').textContent);
  document.getElementById('title').append(model.title);
  document.getElementById('subtitle').append(model.subtitle || '');
  const page = document.getElementById('page');
  const contents = document.getElementById('contents');
  model.sections.forEach((s, i) => {
    const id = `section-${i}`;
    if (s.title) contents.append(make('a', {href: `#${id}`}, s.title));
    page.append(make('section', {id}, s.title ? make('h2', {}, s.title) : null,
      s.note ? make('p', {class: 'note'}, s.note) : null, kinds[s.kind](s)));
  });
  if (location.hash === '#selftest') {
    selfTest();
  } else if (model.refresh_seconds) {
    follow(model.refresh_seconds);
  }
}
