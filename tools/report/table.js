// {columns: [{title, digits}], rows: [[value, ...]], sort: {column, descending}}: any column sorts, what is missing comes
// last. A column is of numbers where no row has anything else.
kinds.table = s => {
  const body = make('tbody');
  const numeric = s.columns.map((_, k) => s.rows.every(r => typeof r[k] === 'number' || r[k] === null || r[k] === undefined));
  const heads = s.columns.map((c, k) => {
    const button = make('button', {type: 'button'}, c.title);
    const head = make('th', {scope: 'col', class: numeric[k] ? null : 'text'}, button);
    button.addEventListener('click', () => sort(k, head.getAttribute('aria-sort') === 'ascending'));
    return head;
  });
  const cell = (value, k) => make('td', {class: numeric[k] ? null : 'text',
    title: typeof value === 'number' && !Number.isInteger(value) ? String(value) : null}, text(value, s.columns[k].digits));
  const sort = (k, descending) => {
    const missing = v => v === null || v === undefined;
    const order = (a, b) => missing(a) || missing(b) ? missing(a) - missing(b)
      : (descending ? -1 : 1) * (numeric[k] ? a - b : String(a).localeCompare(String(b), 'en', {numeric: true}));
    const rows = s.rows.map((r, i) => [r, i]).sort((a, b) => order(a[0][k], b[0][k]) || a[1] - b[1]);
    body.replaceChildren(...rows.map(([r]) => make('tr', {}, ...s.columns.map((_, c) => cell(r[c], c)))));
    heads.forEach((h, i) => i === k ? h.setAttribute('aria-sort', descending ? 'descending' : 'ascending') : h.removeAttribute('aria-sort'));
  };
  sort(s.sort ? s.sort.column : 0, s.sort ? Boolean(s.sort.descending) : false);
  return make('div', {class: 'scroll'}, make('table', {class: 'sortable'}, make('thead', {}, make('tr', {}, ...heads)), body));
};
