// Cases in three planes: {classes: [{name, colour}], cases: [{id, title, facts, size: [D,H,W], spacing_mm, columns, image,
// labels}]}. The pictures hold the slices along D side by side, `columns` of them in a row: the image in grey or null, the
// labels as truth + 4 * prediction (4 * 3 + 3 at most). Rows go to posterior, columns to the patient's left, D up.
const ZOOM = 3;
const planes = [
  {name: 'axial', axis: 0, width: 2, height: 1, up: false},
  {name: 'coronal', axis: 1, width: 2, height: 0, up: true},
  {name: 'sagittal', axis: 2, width: 1, height: 0, up: true}];
const pictures = [];

/** The values of a picture, [D,H,W]. */
async function volume(c, uri) {
  const [depth, height, width] = c.size, values = new Uint8Array(depth * height * width);
  if (!uri) return values;
  const img = make('img', {src: uri});
  pictures.push(img);
  await img.decode();
  const canvas = make('canvas', {width: img.naturalWidth, height: img.naturalHeight});
  const context = canvas.getContext('2d', {willReadFrequently: true});
  context.drawImage(img, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  for (let d = 0; d < depth; ++d) {
    const x0 = (d % c.columns) * width, y0 = Math.floor(d / c.columns) * height;
    for (let h = 0; h < height; ++h) {
      for (let w = 0; w < width; ++w) {
        values[(d * height + h) * width + w] = pixels[4 * ((y0 + h) * canvas.width + x0 + w)];
      }
    }
  }
  return values;
}

function slice(c, plane, index, values) {
  const size = c.size, steps = [size[1] * size[2], size[2], 1];
  const width = size[plane.width], height = size[plane.height], out = new Uint8Array(width * height);
  for (let y = 0; y < height; ++y) {
    const row = index * steps[plane.axis] + (plane.up ? height - 1 - y : y) * steps[plane.height];
    for (let x = 0; x < width; ++x) out[y * width + x] = values[row + x * steps[plane.width]];
  }
  return {width, height, values: out};
}

const rgb = colour => [1, 3, 5].map(i => parseInt(colour.slice(i, i + 2), 16));

function blit(context, s, smooth, pixel) {
  const small = make('canvas', {width: s.width, height: s.height});
  const image = new ImageData(s.width, s.height);
  s.values.forEach((v, i) => image.data.set(pixel(v), 4 * i));
  small.getContext('2d').putImageData(image, 0, 0);
  context.imageSmoothingEnabled = smooth;
  context.drawImage(small, 0, 0, context.canvas.width, context.canvas.height);
}

/** The edges between voxels of a class and of another. */
function outline(context, s, cls, colour) {
  const sx = context.canvas.width / s.width, sy = context.canvas.height / s.height;
  const is = (x, y) => x >= 0 && y >= 0 && x < s.width && y < s.height && s.values[y * s.width + x] === cls;
  context.beginPath();
  for (let y = 0; y <= s.height; ++y) {
    for (let x = 0; x <= s.width; ++x) {
      if (is(x, y) !== is(x - 1, y)) { context.moveTo(x * sx, y * sy); context.lineTo(x * sx, (y + 1) * sy); }
      if (is(x, y) !== is(x, y - 1)) { context.moveTo(x * sx, y * sy); context.lineTo((x + 1) * sx, y * sy); }
    }
  }
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.stroke();
}

function paint(canvas, c, plane, index, volumes, modes, classes) {
  const context = canvas.getContext('2d');
  context.fillRect(0, 0, canvas.width, canvas.height);
  if (c.image) blit(context, slice(c, plane, index, volumes.image), true, v => [v, v, v, 255]);
  const both = slice(c, plane, index, volumes.labels);
  for (const [who, of] of [['prediction', v => v >> 2], ['truth', v => v & 3]]) {
    const s = {...both, values: both.values.map(of)};
    if (modes[who] === 'filled') {
      blit(context, s, false, v => v === 0 ? [0, 0, 0, 0] : [...rgb(classes[v - 1].colour), 140]);
    } else if (modes[who] === 'outlined') {
      classes.forEach((k, i) => outline(context, s, i + 1, k.colour));
    }
  }
}

/** Along each axis the slice with the most tumour, in truth or prediction; the middle one where there is none. */
function fullest(c, labels) {
  const [depth, height, width] = c.size;
  const counts = c.size.map(n => new Uint32Array(n));
  labels.forEach((v, i) => {
    if (v === 0) return;
    ++counts[0][Math.floor(i / (height * width))];
    ++counts[1][Math.floor(i / width) % height];
    ++counts[2][i % width];
  });
  return counts.map((n, k) => n.some(v => v > 0) ? n.indexOf(n.reduce((a, b) => Math.max(a, b), 0)) : c.size[k] >> 1);
}

function choice(name, value, onChange) {
  const select = make('select', {'aria-label': name}, ...['outlined', 'filled', 'off'].map(
    o => make('option', {value: o, selected: o === value ? '' : null}, o)));
  select.addEventListener('change', () => onChange(select.value));
  return make('label', {}, `${name} `, select);
}

function showCase(c, classes) {
  const modes = {truth: 'outlined', prediction: 'filled'};
  const redraws = [];
  const controls = make('div', {class: 'controls'},
    ...['truth', 'prediction'].filter(who => c[who] !== false).map(who => choice(who, modes[who], mode => {
      modes[who] = mode;
      redraws.forEach(r => r());
    })), ...classes.map(k => make('span', {}, make('span', {class: 'swatch', style: `background:${k.colour}`}), k.name)));
  const row = make('div', {class: 'planes'});
  const box = make('div', {class: 'case'}, make('h3', {}, c.title), make('p', {class: 'soft'}, (c.facts || []).join(' \u00b7 ')), controls, row);
  Promise.all([volume(c, c.image), volume(c, c.labels)]).then(([image, labels]) => {
    const at = fullest(c, labels);
    for (const plane of planes) {
      const aspect = c.spacing_mm[plane.height] / c.spacing_mm[plane.width];
      const canvas = make('canvas', {width: ZOOM * c.size[plane.width], height: Math.max(1, Math.round(ZOOM * c.size[plane.height] * aspect))});
      const slider = make('input', {type: 'range', min: 0, max: c.size[plane.axis] - 1, value: at[plane.axis], 'aria-label': `${c.id}, ${plane.name}`});
      const caption = make('p', {class: 'soft'});
      const redraw = () => {
        paint(canvas, c, plane, Number(slider.value), {image, labels}, modes, classes);
        caption.textContent = `${plane.name} ${Number(slider.value) + 1} of ${c.size[plane.axis]}`;
      };
      slider.addEventListener('input', redraw);
      redraws.push(redraw);
      redraw();
      row.append(make('div', {class: 'plane'}, canvas, slider, caption));
    }
    box.dataset.ready = 'yes';
  }).catch(e => { box.append(make('p', {class: 'warn'}, `The pictures of this case cannot be read: ${e}`)); console.error(e); box.dataset.ready = 'no'; });
  return box;
}

kinds.cases = s => make('div', {}, ...s.cases.map(c => showCase(c, s.classes)));
