/* Plays the WeCom app of one member: customers, chats, app messages, mass-send tasks, and the product's sidebar. */
'use strict';

const { staff, corp, agent, sidebar } = document.body.dataset;
const NAMESPACE = 'siyu-simulator-ww';
const frame = $('#sidebar');
let contacts = [];
let open = null; // an external_userid, 'app' or 'mass'
let seen = '';

const contact = () => contacts.find((one) => one.external_userid === open);

function attachment(item) {
  const kind = item.msgtype;
  const body = item[kind] || {};
  const name = { image: '图片', link: '网页', miniprogram: '小程序', video: '视频', file: '文件', news: '网页' }[kind] || kind;
  const url = body.url || body.link;
  return el('div', { class: 'attachment' }, el('span', { class: 'tag grey' }, name), ' ',
    url && /^https?:/.test(url) ? el('a', { href: url, target: '_blank', rel: 'noopener' }, body.title || url)
      : body.title || body.media_id || body.mediaid || body.pic_url || '',
    body.desc || body.description ? el('div', { class: 'muted' }, body.desc || body.description) : null,
    body.page || body.page_path ? el('div', { class: 'muted' }, body.page || body.page_path) : null,
    body.pic_media_id || body.media_id || body.mediaid
      ? el('img', { src: `/media/${body.pic_media_id || body.media_id || body.mediaid}`, alt: '', style: 'max-width:160px;display:block',
        onerror: (event) => event.target.remove() }) : null);
}

function bubble(row) {
  const content = row.content;
  const text = typeof content.text === 'string' ? content.text : content.text && content.text.content;
  const attachments = content.attachments || (content.msgtype && content.msgtype !== 'text' ? [content] : []);
  const kind = { welcome: '欢迎语', mass: '群发', chat: '' }[row.kind] || '';
  const note = [kind, row.dropped ? '未送达' : '', clockTime(row.time)].filter(Boolean).join(' · ');
  return el('div', { class: 'bubble' }, text ? el('div', { class: 'text' }, text) : null, attachments.map(attachment),
    el('div', { class: 'muted' }, note));
}

function appMessage(row) {
  const { msgtype } = row.content;
  const body = row.content[msgtype] || {};
  const url = body.url || (body.card_action && body.card_action.url);
  const title = body.title || (body.main_title && body.main_title.title);
  const text = body.content || body.description || body.sub_title_text || (body.main_title && body.main_title.desc) || '';
  return el('div', { class: 'bubble left' }, el('div', { class: 'text' }, title ? el('b', {}, title) : null,
    title ? el('br') : null, text.replace(/<[^>]+>/g, ''),
    url ? el('div', {}, el('a', { href: url, onclick: (event) => { event.preventDefault(); frame.src = url; } }, body.btntxt || '查看详情')) : null),
    el('div', { class: 'muted' }, `${row.dropped ? '超出频率，未送达 · ' : ''}${clockTime(row.time)}`));
}

function massTask(task) {
  const mine = task.tasks[staff];
  const state = task.cancelled ? '已取消' : mine.status === 2 ? '已发送' : '';
  const confirm = el('button', { class: 'primary small', onclick: guarded(async () => {
    const counts = await control.post('mass/confirm', { msgid: task.msgid, staff, corp_id: corp });
    toast(`已发送 ${counts.sent} 人`);
    seen = '';
    await refresh();
  }) }, `发送给 ${mine.targets} 位顾客`);
  return el('div', { class: 'bubble left' }, el('div', { class: 'text' }, task.content.text),
    task.content.attachments.map(attachment), el('div', {}, state ? el('span', { class: 'tag grey' }, state) : confirm));
}

async function conversation() {
  if (open === 'app') {
    $('#chat-title').textContent = '应用消息';
    const { rows } = await control.get(`sent?kind=app&to=${encodeURIComponent(staff)}`);
    return rows.map(appMessage);
  }
  if (open === 'mass') {
    $('#chat-title').textContent = '群发任务';
    const { rows } = await control.get('mass');
    return rows.filter((row) => row.tasks[staff]).map(massTask);
  }
  if (!contact()) return [];
  $('#chat-title').textContent = contact().remark || contact().name;
  const { rows } = await control.get(`sent?to=${open}&sender=${encodeURIComponent(staff)}`);
  return rows.map(bubble);
}

async function refresh() {
  const { rows } = await control.get(`staff/${encodeURIComponent(staff)}/contacts?corp_id=${corp}&limit=100`);
  const apps = await control.get(`sent?kind=app&limit=1&to=${encodeURIComponent(staff)}`);
  $('#app-count').textContent = apps.total || '';
  const key = JSON.stringify([rows, open]);
  if (key !== seen) {
    seen = key;
    contacts = rows;
    $('#contacts').replaceChildren(...rows.map((one) => el('button', {
      class: `person${one.external_userid === open ? ' on' : ''}`, onclick: guarded(() => select(one.external_userid)),
    }, el('img', { class: 'avatar', src: avatarOf(one, one.customer), alt: '' }),
    el('span', { class: 'grow ellipsis' }, one.remark || one.name, ' ',
      one.lost ? el('span', { class: 'tag warn' }, '已流失') : el('span', { class: 'muted' }, '@微信')))));
  }
  const shown = await conversation();
  const chat = $('#chat');
  if (shown.length !== chat.childElementCount || chat.dataset.open !== String(open)) {
    chat.replaceChildren(...shown);
    chat.dataset.open = String(open);
    chat.scrollTop = chat.scrollHeight;
  }
}

async function select(what) {
  open = what;
  seen = '';
  $('#chat').dataset.open = '';
  await refresh();
  if (contact()) frame.src = sidebar; // the sidebar asks getCurExternalContact who this is
}

/* ---- JS-SDK, asked by ww.js in the frame ---- */

const AVAILABLE = ['getContext', 'getCurExternalContact', 'sendChatMessage', 'shareToExternalContact', 'openUserProfile',
  'openEnterpriseChat', 'checkJsApi', 'closeWindow', 'previewImage', 'setClipboardData', 'getNetworkType', 'selectExternalContact'];

async function configured(method, params) {
  const facts = { kind: method, corp_id: params.corpid, agent_id: params.agentid, ...params };
  const { ok } = await request('POST', '/jssdk/check', facts);
  if (!ok || params.corpid !== corp) throw new Error('invalid signature');
  return { checkResult: Object.fromEntries((params.jsApiList || []).map((name) => [name, AVAILABLE.includes(name)])) };
}

async function send(content, external) {
  if (!external) throw new Error('without context of external contact');
  await control.post('chat', { staff, customer: external, content, corp_id: corp });
  await refresh();
  return {};
}

const METHODS = {
  config: (params) => configured('config', params),
  agentConfig: (params) => configured('agentConfig', params),
  getContext: async () => ({ entry: contact() ? 'single_chat_tools' : 'normal' }),
  getCurExternalContact: async () => {
    if (!contact()) throw new Error('without context of external contact');
    return { userId: open };
  },
  sendChatMessage: (params) => send(params, contact() && open),
  shareToExternalContact: (params) => send(params, (params.externalUserIds || [])[0] || (contact() && open)),
  selectExternalContact: async () => ({ userIds: contact() ? [open] : [] }),
  openUserProfile: async (params) => { toast(`打开名片：${params.userid}`); return {}; },
  openEnterpriseChat: async (params) => {
    const wanted = String(params.externalUserIds || '').split(/[;,]/)[0];
    if (wanted) { open = wanted; seen = ''; await refresh(); }
    return {};
  },
  checkJsApi: async (params) => ({ checkResult: Object.fromEntries(params.jsApiList.map((name) => [name, AVAILABLE.includes(name)])) }),
  getNetworkType: async () => ({ networkType: 'wifi' }),
  closeWindow: async () => { frame.src = 'about:blank'; return {}; },
  setClipboardData: async (params) => { await navigator.clipboard.writeText(params.data); return {}; },
  previewImage: async (params) => { window.open(params.current, '_blank', 'noopener'); return {}; },
};

window.addEventListener('message', async (event) => {
  const ask = event.data;
  if (event.source !== frame.contentWindow || !ask || ask.ns !== NAMESPACE || !ask.method) return;
  let result;
  try {
    const method = METHODS[ask.method];
    if (!method) throw new Error('not supported');
    result = { ...(await method(ask.params)), errMsg: `${ask.method}:ok`, errCode: 0 };
  } catch (error) {
    result = { errMsg: `${ask.method}:fail ${error.message}`, errCode: -1 };
  }
  event.source.postMessage({ ns: NAMESPACE, id: ask.id, result }, event.origin);
});

document.querySelectorAll('[data-open]').forEach((button) => {
  button.addEventListener('click', guarded(() => select(button.dataset.open)));
});
$('#reload').addEventListener('click', () => { frame.src = sidebar; });

async function tick() {
  try {
    if (!document.hidden) await refresh();
  } catch (error) {
    toast(error.message);
  }
  setTimeout(tick, 1500);
}

(async () => {
  await refresh();
  const wanted = new URLSearchParams(location.search).get('contact');
  if (contacts.length) await select(wanted || contacts[0].external_userid);
  setTimeout(tick, 1500);
})();
