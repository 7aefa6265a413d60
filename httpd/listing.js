(function () {
  'use strict';
  var body = document.getElementById('entries');
  var rows = Array.prototype.slice.call(body.rows);
  var heads = Array.prototype.slice.call(document.querySelectorAll('th'));

  // Dates come as UTC, which is right without script; show the reader's own.
  function two(n) { return (n < 10 ? '0' : '') + n; }
  document.querySelectorAll('time').forEach(function (el) {
    var d = new Date(el.dateTime);
    el.title = d.toString();
    el.firstChild.data = d.getFullYear() + '-' + two(d.getMonth() + 1) + '-' + two(d.getDate()) + ' ';
    el.lastChild.textContent = two(d.getHours()) + ':' + two(d.getMinutes());
  });

  // The same order as the server's: folders first, equal ones by name.
  function sortRows(key, desc) {
    var field = { name: 'i', size: 's', date: 't' }[key];
    var sign = desc ? -1 : 1;
    var keyed = rows.map(function (row) {
      return { row: row, rank: +row.dataset.i, value: +row.dataset[field], file: row.querySelector('a.folder') ? 0 : 1 };
    });
    keyed.sort(function (a, b) {
      return a.file - b.file || sign * (a.value - b.value) || a.rank - b.rank;
    });
    rows = keyed.map(function (item) { return item.row; });
    var all = document.createDocumentFragment();
    rows.forEach(function (row) { all.appendChild(row); });
    body.appendChild(all);
  }

  heads.forEach(function (head) {
    var link = head.querySelector('a');
    link.addEventListener('click', function (event) {
      if (event.metaKey || event.ctrlKey || event.shiftKey) { return; }
      event.preventDefault();
      var query = new URLSearchParams(link.search);
      var desc = query.get('order') === 'desc';
      sortRows(link.dataset.key, desc);
      history.replaceState(null, '', link.search);
      heads.forEach(function (other) {
        var otherLink = other.querySelector('a');
        other.removeAttribute('aria-sort');
        otherLink.search = '?order=' + (otherLink.dataset.key === 'name' ? 'asc' : 'desc') + '&sort=' + otherLink.dataset.key;
      });
      head.setAttribute('aria-sort', desc ? 'descending' : 'ascending');
      link.search = '?order=' + (desc ? 'asc' : 'desc') + '&sort=' + link.dataset.key;
    });
  });

  var filter = document.getElementById('filter');
  if (!filter) { return; }
  var summary = document.getElementById('summary');
  var whole = summary.textContent;
  var empty = document.getElementById('empty');
  var names = new Map(rows.map(function (row) {
    return [row, row.querySelector('a').textContent.toLowerCase()];
  }));
  function apply() {
    var words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    var shown = 0;
    rows.forEach(function (row) {
      var name = names.get(row);
      var match = words.every(function (word) { return name.includes(word); });
      row.hidden = !match;
      if (match) { shown++; }
    });
    empty.hidden = shown > 0;
    summary.textContent = words.length ? shown + ' of ' + rows.length : whole;
  }
  filter.hidden = false;
  filter.addEventListener('input', apply);
  document.addEventListener('keydown', function (event) {
    if (event.key === '/' && document.activeElement !== filter) {
      event.preventDefault();
      filter.focus();
    } else if (event.key === 'Escape' && document.activeElement === filter) {
      filter.value = '';
      apply();
    }
  });
  if (filter.value) { apply(); }
})();
