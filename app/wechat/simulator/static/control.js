/* The control room: who is who, buttons, and the live journal. */
'use strict';

const KINDS = { call: '接口', callback: '回调', action: '动作', scenario: '剧情' };
const ACTIONS = {
  add_contact: '添加导购', scan: '扫码添加', unfollow: '取消关注', delete: '删除顾客', edit: '修改备注', chat: '发消息',
  mass_confirm: '确认群发',
};
let last = 0;
let total = 0;
let ways = -1;

async function people(kind, input, list, render) {
  const query = encodeURIComponent(input.value.trim());
  const { rows } = await control.get(`${kind}?limit=60&q=${query}`);
  list.replaceChildren(...rows.map(render));
}

function staffCell(person) {
  return el('div', { class: 'cell' },
    el('img', { class: 'avatar', src: avatarOf(person, person.userid), alt: '' }),
    el('div', { class: 'grow' }, el('div', { class: 'ellipsis' }, person.name),
      el('div', { class: 'muted ellipsis' }, `${person.userid} ${person.position || ''}`)),
    el('button', { class: 'small', onclick: () => { $('#pick-staff').value = person.userid; } }, '选'),
    el('a', { class: 'button small', href: `/client/wecom?staff=${encodeURIComponent(person.userid)}`, target: '_blank' }, '打开'));
}

function customerCell(person) {
  return el('div', { class: 'cell' },
    el('img', { class: 'avatar', src: avatarOf(person, person.id), alt: '' }),
    el('div', { class: 'grow' }, el('div', { class: 'ellipsis' }, person.name),
      el('div', { class: 'muted ellipsis' }, `${person.id} ${person.phone || '无手机号'}`)),
    el('button', { class: 'small', onclick: () => { $('#pick-customer').value = person.id; } }, '选'),
    el('a', { class: 'button small', href: `/client/miniprogram?customer=${encodeURIComponent(person.id)}`, target: '_blank' }, '打开'));
}

const loadStaff = () => people('staff', $('#staff-search'), $('#staff'), staffCell);
const loadCustomers = () => people('customers', $('#customer-search'), $('#customers'), customerCell);

function chosen() {
  const pair = { staff: $('#pick-staff').value.trim(), customer: $('#pick-customer').value.trim() };
  if (!pair.staff || !pair.customer) throw new Error('请先选择导购和顾客');
  return pair;
}

function figure(name, value) {
  return el('div', { class: 'figure' }, el('b', {}, String(value)), el('span', { class: 'muted' }, name));
}

async function status() {
  const now = await control.get('status');
  const calls = now.callbacks.counts;
  $('#clock').textContent = `模拟时间 ${new Date(now.now * 1000).toLocaleString('zh-CN', { hour12: false })}`;
  $('#figures').replaceChildren(
    figure('导购', now.rows.staff), figure('顾客', now.rows.customer), figure('好友关系', now.rows.follow),
    figure('已流失', now.lost_contacts), figure('回调成功', calls.ok || 0), figure('回调失败', calls.failed || 0),
    figure('等待发送', now.callbacks.waiting), figure('回调中位毫秒', now.callbacks.latency_ms.p50 ?? '—'));
  $('#faults').textContent = now.faults.length
    ? `生效中：${now.faults.map((f) => `${f.api} ${f.errcode ?? (f.drop ? '断开' : f.html ? 'HTML' : `${f.latency_ms}ms`)} 已命中 ${f.struck} 次`).join('；')}`
    : '没有生效的错误';
  $('#opt-duplicates').checked = now.options.duplicates > 1;
  $('#opt-shuffle').checked = now.options.shuffle > 0;
  $('#opt-drop').checked = now.options.drop > 0;
  $('#opt-paused').checked = now.options.paused;
  if (now.rows.way !== ways) {
    ways = now.rows.way;
    await loadWays();
  }
  if (now.rows.staff + now.rows.customer !== total) {
    total = now.rows.staff + now.rows.customer;
    await Promise.all([loadStaff(), loadCustomers()]);
  }
  const { running, steps, name } = await control.get('scenario');
  $('#scenario').textContent = name
    ? `${running ? '进行中' : '已停止'}：${Object.entries(steps).map(([step, count]) => `${step} ${count}`).join('，') || '准备中'}` : '';
}

function line(entry) {
  const bad = !['ok', '0', undefined, ''].includes(entry.outcome);
  const what = entry.kind === 'action' ? ACTIONS[entry.name] || entry.name : entry.name;
  const who = [entry.staff || entry.user, (entry.customers || []).join('、')].filter(Boolean).join(' ← ');
  return el('div', { class: bad ? 'bad' : '' },
    el('span', { class: 'time' }, clockTime(entry.time)), el('span', {}, KINDS[entry.kind] || entry.kind),
    el('span', { class: 'ellipsis', title: `${what} ${who}` }, `${what} ${who}`),
    el('span', {}, [entry.outcome && entry.outcome !== '0' ? entry.outcome : '', entry.ms ? `${entry.ms}ms` : ''].join(' ')));
}

/* Contact ways and acquisition links the product has made; a link's channel stands in the box for the state. */
async function loadWays() {
  const { rows } = await control.get('ways?limit=500');
  const kept = $('#pick-way').value;
  $('#pick-way').replaceChildren(
    el('option', { value: '' }, rows.length ? '选择渠道码' : '还没有渠道码'),
    ...rows.map((way) => el('option', { value: way.config_id }, `${way.scene === 3 ? '获客链接 ' : ''}${way.remark} ${way.state}`)),
  );
  $('#pick-way').value = rows.some((way) => way.config_id === kept) ? kept : '';
}

async function journal() {
  const { rows } = await control.get(`journal?after=${last}&limit=150&kind=${$('#log-kind').value}`);
  if (!rows.length) return;
  last = rows[rows.length - 1].n;
  $('#log').prepend(...rows.reverse().map(line));
  while ($('#log').childElementCount > 300) $('#log').lastChild.remove();
}

function on(selector, action, done = '好了') {
  $(selector).addEventListener('click', guarded(async () => { await action(); toast(done); await status(); }));
}

on('#add', () => control.post('contacts', { ...chosen(), state: $('#pick-state').value || null }), '已添加，回调已发出');
on('#scan', () => {
  const customer = $('#pick-customer').value.trim();
  if (!$('#pick-way').value || !customer) throw new Error('请先选择渠道码和顾客');
  return control.post('scan', { config_id: $('#pick-way').value, customer, state: $('#pick-state').value || null });
}, '已扫码添加，回调已发出');
on('#unfollow', () => control.post('contacts/unfollow', chosen()), '顾客已删除导购');
on('#delete', () => control.post('contacts/delete', chosen()), '导购已删除顾客');
on('#add-five', async () => {
  const staff = $('#pick-staff').value.trim();
  if (!staff) throw new Error('请先选择导购');
  const stamp = Date.now().toString(36);
  const rows = [1, 2, 3, 4, 5].map((n) => ({
    id: `new-${stamp}-${n}`, name: `新顾客${n}`, phone: `199${String(Date.now() + n).slice(-8)}`,
  }));
  await control.post('customers', { rows });
  await control.post('contacts', { staff, customers: rows.map((row) => row.id), state: $('#pick-state').value || null });
}, '5 位新顾客在同一秒添加了导购');
on('#forget-tokens', () => control.post('tokens/expire'), '所有令牌已失效');
on('#inject', () => {
  const kind = $('#fault-kind').value;
  const fault = { api: $('#fault-api').value.trim(), count: Number($('#fault-count').value) || 1 };
  if (kind === 'drop') fault.drop = true;
  else if (kind === 'html') fault.html = true;
  else if (kind === 'slow') fault.latency_ms = 6000;
  else fault.errcode = Number(kind);
  return control.post('faults', fault);
}, '错误已注入');
on('#heal', () => control.del('faults'), '已撤销');
on('#launch', () => control.post('scenario', { name: 'saturday', scans_per_hour: Number($('#rate').value) }), '周六开业了');
on('#halt', () => control.del('scenario'), '已停止');
for (const [selector, set] of [
  ['#opt-duplicates', (checked) => ({ duplicates: checked ? 3 : 1 })],
  ['#opt-shuffle', (checked) => ({ shuffle: checked ? 3 : 0 })],
  ['#opt-drop', (checked) => ({ drop: checked ? 0.1 : 0 })],
  ['#opt-paused', (checked) => ({ paused: checked })],
]) {
  $(selector).addEventListener('change', guarded((event) => control.post('callbacks/options', set(event.target.checked))));
}
document.querySelectorAll('[data-advance]').forEach((button) => button.addEventListener('click', guarded(async () => {
  await control.post('clock', { advance: Number(button.dataset.advance) });
  await status();
})));
$('#staff-search').addEventListener('input', guarded(loadStaff));
$('#customer-search').addEventListener('input', guarded(loadCustomers));
$('#log-kind').addEventListener('change', () => { last = 0; $('#log').replaceChildren(); });

async function tick() {
  try {
    if (!document.hidden) await Promise.all([status(), journal()]);
  } catch (error) {
    $('#clock').textContent = '模拟器没有响应';
  }
  setTimeout(tick, 1000);
}
tick();
