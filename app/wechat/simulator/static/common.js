/* Small helpers for the simulator's pages. */
'use strict';

const $ = (selector, root = document) => root.querySelector(selector);

async function request(method, url, body, headers = {}) {
  const response = await fetch(url, {
    method,
    headers: body === undefined ? headers : { 'Content-Type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  let value = {};
  try { value = text ? JSON.parse(text) : {}; } catch (error) { value = { message: `HTTP ${response.status}` }; }
  if (!response.ok) {
    const failure = new Error(value.message || value.error || `HTTP ${response.status}`);
    failure.status = response.status;
    failure.code = value.code;
    failure.data = value.data;
    throw failure;
  }
  return value;
}

const control = {
  get: (path) => request('GET', `/_control/${path}`),
  post: (path, body = {}) => request('POST', `/_control/${path}`, body),
  del: (path) => request('DELETE', `/_control/${path}`),
};

/* Builds elements; text is always text, so a customer named <script> stays a name. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function toast(text) {
  document.querySelectorAll('.toast').forEach((old) => old.remove());
  const node = el('div', { class: 'toast', role: 'status' }, text);
  document.body.append(node);
  setTimeout(() => node.remove(), 2200);
}

function guarded(action) {
  return async (event) => {
    const button = event && event.currentTarget;
    if (button && 'disabled' in button) button.disabled = true;
    try {
      await action(event);
    } catch (error) {
      toast(error.message);
    } finally {
      if (button && 'disabled' in button) button.disabled = false;
    }
  };
}

const clockTime = (seconds) => new Date(seconds * 1000).toLocaleTimeString('zh-CN', { hour12: false });
const day = (value) => new Date(typeof value === 'number' ? value * 1000 : value).toLocaleDateString('zh-CN');
const yuan = (fen) => `¥${(fen / 100).toFixed(fen % 100 ? 2 : 0)}`;
const avatarOf = (person, key) => person.avatar || `/avatar/${encodeURIComponent(key)}.svg`;
