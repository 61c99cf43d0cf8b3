'use strict';
(() => {
  const EVERY = 3000;
  const live = document.getElementById('live');
  const fresh = document.getElementById('fresh');
  const SVG = 'http://www.w3.org/2000/svg';

  // ---- words and numbers

  const units = (n, base, names) => {
    let i = 0;
    while (Math.abs(n) >= base && i < names.length - 1) { n /= base; i++; }
    return (i === 0 && Number.isInteger(n) ? String(n) : n.toFixed(n < 10 ? 2 : n < 100 ? 1 : 0)) + names[i];
  };
  const count = n => n == null ? '–' : units(n, 1000, ['', ' k', ' M', ' G', ' T']);
  const bytes = n => n == null ? '–' : units(n, 1024, [' B', ' KiB', ' MiB', ' GiB', ' TiB', ' PiB']);
  const percent = x => x == null ? '–' : (x * 100).toFixed(x > 0 && x < 0.1 ? 1 : 0) + ' %';
  const msec = t => t == null ? '–' : t < 1000 ? t.toFixed(t < 10 ? 1 : 0) + ' ms' : (t / 1000).toFixed(1) + ' s';
  const sum = object => Object.values(object).reduce((a, b) => a + b, 0);
  const span = s => s < 90 ? Math.round(s) + ' s' : s < 5400 ? Math.round(s / 60) + ' min' : s < 172800
    ? Math.round(s / 3600) + ' h' : Math.round(s / 86400) + ' days';

  // ---- elements

  const put = (element, attributes, children) => {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === false || value == null) continue;
      if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? '' : value);
    }
    element.append(...children.flat(9).filter(c => c != null && c !== false));
    return element;
  };
  const h = (tag, attributes, ...children) => put(document.createElement(tag), attributes, children);
  const s = (tag, attributes, ...children) => put(document.createElementNS(SVG, tag), attributes, children);

  // ---- plots: lines and areas over the last hour, with what is under the pointer beside the legend

  const W = 560, H = 170, LEFT = 58, RIGHT = 8, TOP = 8, BOTTOM = 20;

  const nice = (top, base) => {
    if (top <= 1) return 1;
    const unit = base ** Math.floor(Math.log(top) / Math.log(base)), step = 10 ** Math.floor(Math.log10(top / unit));
    return [1, 2, 4, 5, 10].map(f => f * step * unit).find(n => n >= top);
  };

  const plot = (title, times, now, lines, show, fixed) => {
    const top = fixed || nice(Math.max(...lines.flatMap(l => l.values.filter(v => v != null)), 0), show === bytes ? 1024 : 10);
    const x = t => LEFT + (W - LEFT - RIGHT) * (1 - Math.min(3600, now - t) / 3600);
    const y = v => TOP + (H - TOP - BOTTOM) * (1 - v / top);
    const svg = s('svg', { viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': title });
    for (const part of [0, 0.5, 1]) {
      svg.append(s('line', { class: 'grid', x1: LEFT, x2: W - RIGHT, y1: y(part * top), y2: y(part * top) }),
        s('text', { x: LEFT - 6, y: y(part * top) + 4, 'text-anchor': 'end' }, show(part * top)));
    }
    for (const [minutes, anchor] of [[60, 'start'], [45, 'middle'], [30, 'middle'], [15, 'middle'], [0, 'end']]) {
      svg.append(s('text', { x: x(now - minutes * 60), y: H - 5, 'text-anchor': anchor }, minutes ? `-${minutes} min` : 'now'));
    }
    const values = lines.map(() => h('b', {}));
    lines.forEach((line, i) => {
      for (const run of runs(times, line.values, now)) {
        const points = run.map(([t, v]) => `${x(t).toFixed(1)},${y(Math.min(v, top)).toFixed(1)}`).join(' L');
        if (line.area) {
          svg.append(s('path', { class: `area c${line.colour}`,
            d: `M${x(run[0][0]).toFixed(1)},${y(0)} L${points} L${x(run[run.length - 1][0]).toFixed(1)},${y(0)} Z` }));
        }
        svg.append(s('path', { class: `stroke c${line.colour}${run.length > 1 ? '' : ' lone'}`, d: `M${points}${run.length > 1 ? '' : ' h0'}` }));
      }
    });
    const cursor = s('line', { class: 'cursor', y1: TOP, y2: H - BOTTOM, visibility: 'hidden' });
    const tell = i => lines.forEach((line, j) => {
      values[j].textContent = i >= 0 && line.values[i] != null ? show(line.values[i]) : '–';
    });
    tell(times.length - 1);
    svg.append(cursor);
    svg.addEventListener('pointermove', event => {
      const box = svg.getBoundingClientRect();
      const at = now - 3600 * (1 - ((event.clientX - box.left) / box.width * W - LEFT) / (W - LEFT - RIGHT));
      let best = -1;
      times.forEach((t, i) => { if (best < 0 || Math.abs(t - at) < Math.abs(times[best] - at)) best = i; });
      if (best < 0) return;
      put(cursor, { x1: x(times[best]), x2: x(times[best]), visibility: 'visible' }, []);
      tell(best);
    });
    svg.addEventListener('pointerleave', () => { put(cursor, { visibility: 'hidden' }, []); tell(times.length - 1); });
    return h('section', { class: 'card plot' }, h('div', { class: 'head' }, h('h2', {}, title)), svg,
      h('div', { class: 'legend' }, lines.map((line, i) => h('span', { class: `c${line.colour}` }, h('i', {}), line.name, ' ', values[i]))));
  };

  // What lies between two gaps, the last hour's only.
  const runs = (times, values, now) => {
    const all = [];
    let run = [];
    times.forEach((t, i) => {
      const gap = i > 0 && t - times[i - 1] > 35;
      if ((gap || values[i] == null) && run.length) { all.push(run); run = []; }
      if (values[i] != null && now - t <= 3600) run.push([t, values[i]]);
    });
    return run.length ? [...all, run] : all;
  };

  const plots = d => {
    const history = d.history, times = history.time, every = history.interval_seconds;
    const rate = name => history[name].map(n => n / every);
    return h('div', { class: 'plots' },
      plot('Hit ratio', times, d.time, [{ name: 'from the cache', values: history.hit_ratio, colour: 1, area: true }], percent, 1),
      plot('Requests per second', times, d.time, [
        { name: 'all', values: rate('requests'), colour: 0, area: true },
        { name: 'from the cache', values: rate('cached'), colour: 1 },
        { name: '5xx', values: rate('failed'), colour: 3 }], count),
      plot('Traffic per second', times, d.time, [
        { name: 'to clients', values: rate('sent_bytes'), colour: 0, area: true },
        { name: 'from backends', values: rate('received_bytes'), colour: 2 }], bytes),
      plot('Saved per second', times, d.time, [
        { name: 'by the cache', values: rate('sent_from_cache_bytes'), colour: 1, area: true },
        { name: 'by compression', values: rate('saved_by_compression_bytes'), colour: 2 }], bytes));
  };

  // ---- what is asked for by a button

  const ask = question => new Promise(resolve => {
    const dialog = document.getElementById('ask');
    document.getElementById('question').textContent = question;
    dialog.returnValue = 'no';
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
    dialog.showModal();
  });

  const act = async (method, path, body) => {
    const response = await fetch(path, { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    const said = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(said.error || `${response.status} ${response.statusText}`);
    return said;
  };

  const outcome = { text: '', bad: false };
  const tellOutcome = (text, bad) => {
    Object.assign(outcome, { text, bad });
    const place = document.getElementById('outcome');
    if (place) { place.textContent = text; place.className = bad ? 'bad' : ''; }
  };
  const doing = async (question, what, done) => {
    if (question && !await ask(question)) return;
    try { tellOutcome(done(await what()), false); } catch (error) { tellOutcome(error.message, true); }
    refresh();
  };

  const change = (d, pool, member, body, question) => doing(question,
    () => act('PATCH', `${d.manage}/pools/${encodeURIComponent(pool.name)}/members/${member.id}`, body),
    () => `${member.url}: ` + Object.entries(body).map(([k, v]) => `${k} ${v}`).join(', '));

  const buttons = (d, pool, member) => {
    const button = (name, body, question) =>
      h('button', { type: 'button', onclick: () => change(d, pool, member, body, question) }, name);
    return [
      member.state === 'enabled'
        ? button('Drain', { state: 'draining' }, `Drain ${member.url}? It finishes what it has and gets no new requests.`)
        : button('Enable', { state: 'enabled' }),
      member.state !== 'disabled' && button('Disable', { state: 'disabled' }, `Disable ${member.url}? It gets nothing any more.`),
      h('button', { type: 'button', onclick: () => {
        const said = prompt(`Weight of ${member.url}, 0 to 256:`, member.weight);
        if (said !== null && said.trim() !== '') change(d, pool, member, { weight: Number(said) });
      } }, 'Weight')];
  };

  // ---- pools

  const reasons = { connect: 'takes no connections', failures: 'fails', errors: 'errors', outlier: 'fails more than others' };
  const stateOf = member => {
    if (member.origin === 'removed') return ['removed', 'warn'];
    if (member.state !== 'enabled') return [member.state, 'warn'];
    if (member.health.check === 'down') return ['down: check', 'bad'];
    if (member.health.reason) return ['out: ' + reasons[member.health.reason], 'bad'];
    return member.weight === 0 ? ['no weight', 'warn'] : ['serving', ''];
  };

  const expiry = (member, now) => {
    if (!member.tls) return '';
    if (!member.tls.certificate_ends) return '–';
    const left = member.tls.certificate_ends - now;
    return left < 0 ? h('span', { class: 'chip bad' }, 'expired')
      : left < 14 * 86400 ? h('span', { class: 'chip warn' }, span(left)) : span(left);
  };

  const memberRow = (d, pool, member) => {
    const [state, kind] = stateOf(member), r = member.requests, ms = r.last_minute_ms;
    const cell = (label, cls, ...what) => h('td', { 'data-label': label, class: cls }, ...what);
    return h('tr', {},
      cell('', 'url', member.url), cell('State', 'state', h('span', { class: `chip ${kind}` }, state)),
      cell('Weight', 'num', String(member.weight)), cell('Now', 'num', r.inflight + (member.max ? ` of ${member.max}` : '')),
      cell('Requests', 'num', count(r.picked)), cell('p50', 'num', msec(ms.p50)), cell('p95', 'num', msec(ms.p95)),
      cell('p99', 'num', msec(ms.p99)), cell('Errors', 'num', percent(member.error_share)),
      cell('Certificate', 'num', expiry(member, d.time)),
      d.manage && cell('', 'acts', member.origin === 'removed' ? '' : buttons(d, pool, member)));
  };

  const poolCard = (d, pool) => {
    const shown = pool.members.filter(m => m.origin !== 'removed').length;
    const heads = [['Member', ''], ['State', ''], ['Weight', 'num'], ['Now', 'num'], ['Requests', 'num'], ['p50', 'num'],
      ['p95', 'num'], ['p99', 'num'], ['Errors', 'num'], ['Certificate', 'num'], ...(d.manage ? [['', '']] : [])];
    return h('section', { class: 'card' },
      h('div', { class: 'head' }, h('h2', {}, `Pool ${pool.name}`),
        h('span', { class: 'note' }, `${pool.usable} of ${shown} members get requests`),
        pool.queue.waiting > 0 && h('span', { class: 'chip warn' }, `${pool.queue.waiting} waiting`),
        h('span', { class: 'note' }, `last minute: p50 ${msec(pool.last_minute_ms.p50)}, p95 ${msec(pool.last_minute_ms.p95)}, p99 ${msec(pool.last_minute_ms.p99)}`)),
      h('table', { class: 'members' }, h('thead', {}, h('tr', {}, heads.map(([name, cls]) => h('th', { class: cls }, name)))),
        h('tbody', {}, pool.members.map(member => memberRow(d, pool, member)))));
  };

  // ---- the cache

  const bars = (values, none) => {
    const all = Object.entries(values).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]).slice(0, 6);
    const most = all.length ? all[0][1] : 1;
    if (!all.length) return h('p', { class: 'note' }, none);
    return all.map(([name, n]) => {
      const fill = h('i', {});
      fill.style.width = `${100 * n / most}%`;
      return h('div', { class: 'bar' }, h('span', {}, name), h('div', { class: 'track' }, fill), h('span', {}, count(n)));
    });
  };

  const farmCard = f => h('section', { class: 'card' }, h('div', { class: 'head' }, h('h2', {}, 'Farm'),
    h('span', { class: `chip ${f.up ? '' : 'bad'}` }, f.up ? 'Redis answers' : 'Redis is away')),
    h('dl', {}, h('dt', {}, 'found there'), h('dd', {}, `${count(f.hits)} of ${count(f.hits + f.misses)}`),
      h('dt', {}, 'put there'), h('dd', {}, `${count(f.stored)} of ${count(f.stored + f.not_stored)}`),
      h('dt', {}, 'rejected'), h('dd', {}, count(f.rejected)),
      h('dt', {}, 'calls that failed'), h('dd', {}, `${count(f.calls_failed)} of ${count(f.calls)}`),
      h('dt', {}, 'received, sent'), h('dd', {}, `${bytes(f.received_bytes)}, ${bytes(f.sent_bytes)}`)));

  const cacheCards = d => {
    const c = d.cache, ever = d.traffic.ever;
    return h('div', { class: 'split' },
      h('section', { class: 'card' }, h('div', { class: 'head' }, h('h2', {}, 'Cache'),
        h('span', { class: `chip ${c.up ? '' : 'warn'}` }, c.up ? 'in use' : 'not in use')),
        h('dl', {}, h('dt', {}, 'objects'), h('dd', {}, count(c.objects)),
          h('dt', {}, 'room'), h('dd', {}, `${bytes(c.used_bytes)} of ${bytes(c.size_bytes)}`),
          h('dt', {}, 'evicted'), h('dd', {}, count(c.evictions)),
          h('dt', {}, 'purged'), h('dd', {}, `${count(d.counters.purged_responses)} in ${count(d.counters.purges)} orders`),
          h('dt', {}, 'sent from it'), h('dd', {}, `${bytes(ever.sent_from_cache_bytes)} of ${bytes(ever.sent_bytes)}`),
          h('dt', {}, 'saved by compression'), h('dd', {}, bytes(ever.saved_by_compression_bytes))),
        c.size_bytes > 0 && h('meter', { min: 0, max: c.size_bytes, value: c.used_bytes, 'aria-label': 'room in use' })),
      d.farm && farmCard(d.farm),
      h('section', { class: 'card' }, h('div', { class: 'head' }, h('h2', {}, 'Why backends were asked')),
        bars(d.counters.cache_forwards, 'They were not.')),
      h('section', { class: 'card' }, h('div', { class: 'head' }, h('h2', {}, 'Why it was not stored')),
        bars(d.counters.cache_not_stored, 'All that could be was.')),
      h('section', { class: 'card' }, h('div', { class: 'head' }, h('h2', {}, 'Failures')), bars(d.counters.errors, 'None.')));
  };

  // ---- purging

  const hints = { url: 'https://www.example.org/page', prefix: 'https://www.example.org/news/', tag: 'www.example.org article-7 author-3', all: '' };
  const purgeBody = (what, text) => {
    if (what === 'all') return {};
    if (what === 'tag') { const [host, ...tags] = text.split(/\s+/); return { host, tags }; }
    return { url: text };
  };

  const purgeCard = state => {
    const what = h('select', { id: 'purge-what', 'aria-label': 'what to purge' },
      [['url', 'one URL'], ['prefix', 'URLs that begin with'], ['tag', 'host and tags'], ['all', 'everything']].map(([value, name]) =>
        h('option', { value, selected: value === 'url' }, name)));
    const text = h('input', { type: 'text', id: 'purge-text', 'aria-label': 'URL or tags', placeholder: hints.url });
    const soft = h('input', { type: 'checkbox', id: 'purge-soft' });
    what.addEventListener('change', () => { text.placeholder = hints[what.value]; text.disabled = what.value === 'all'; });
    return h('section', { class: 'card', id: 'purge' }, h('div', { class: 'head' }, h('h2', {}, 'Purge')),
      h('form', { class: 'purge', onsubmit: event => {
        event.preventDefault();
        const words = text.value.trim(), kind = what.value;
        if (kind !== 'all' && !words) { text.focus(); return; }
        const name = kind === 'all' ? 'everything' : kind === 'url' ? words : `${kind} ${words}`;
        doing(`Purge ${name}${soft.checked ? ', softly' : ''}?`,
          () => act('POST', `${state.manage}/purge`, { what: kind, soft: soft.checked, ...purgeBody(kind, words) }),
          said => `${said.purged} responses purged: ${name}`);
      } }, what, text, h('label', {}, soft, ' keep as stale'), h('button', { class: 'strong' }, 'Purge')),
      h('p', { id: 'outcome', role: 'status' }));
  };

  // ---- the page

  const problems = d => h('ul', { class: 'problems' }, d.problems.length
    ? d.problems.map(p => h('li', { class: p.severity }, p.text)) : h('li', { class: 'well' }, 'All is well.'));

  const tile = (value, name) => h('div', { class: 'tile' }, h('b', {}, value), h('span', {}, name));
  const tiles = d => {
    const minute = d.traffic.minute, hour = d.traffic.hour, counted = Math.max(1, Math.min(60, d.time - d.since));
    return h('div', { class: 'tiles' },
      tile(count(Math.round(minute.requests / counted * 10) / 10), 'requests per second'),
      tile(percent(minute.hit_ratio), 'hits, last minute'),
      tile(percent(hour.hit_ratio), 'hits, last hour'),
      tile(bytes(Math.round(minute.sent_bytes / counted)) + '/s', 'to clients'),
      tile(percent(minute.requests ? minute.failed / minute.requests : null), '5xx, last minute'),
      tile(count(sum(d.counters.requests)), `requests in ${span(d.time - d.since)}`));
  };

  // The form keeps what is being written into it; all else is made anew.
  const parts = {};
  const render = d => {
    if (!parts.changing) {
      parts.changing = h('div', {});
      live.append(parts.changing);
    }
    if (document.getElementById('ask').open) return;
    const focused = [...parts.changing.querySelectorAll('button')].indexOf(document.activeElement);
    parts.changing.replaceChildren(problems(d), tiles(d), plots(d), ...d.pools.map(pool => poolCard(d, pool)), cacheCards(d));
    if (focused >= 0) parts.changing.querySelectorAll('button')[focused]?.focus({ preventScroll: true });
    if (d.manage && !parts.purge) {
      parts.purge = purgeCard(d);
      live.append(parts.purge);
    }
    document.title = (d.problems.length ? `(${d.problems.length}) ` : '') + document.title.replace(/^\(\d+\) /, '');
  };

  let heard = 0, timer = 0;
  const refresh = async () => {
    clearTimeout(timer);
    try {
      const response = await fetch('?json', { cache: 'no-store' });
      if (!response.ok) throw new Error(String(response.status));
      render(await response.json());
      heard = Date.now();
      document.getElementById('plain').hidden = true;
      live.hidden = false;
      fresh.className = '';
      fresh.textContent = new Date().toLocaleTimeString();
    } catch (error) {
      fresh.className = 'lost';
      fresh.textContent = heard ? `no answer for ${span((Date.now() - heard) / 1000)}` : 'no answer';
    }
    if (!document.hidden) timer = setTimeout(refresh, EVERY);
  };
  document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
  refresh();
})();
