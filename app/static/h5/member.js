/* The member centre of the official account: what the mini-program API says of whoever WeChat logged in. */

const body = document.body;
const token = body.dataset.token;
const show = (id, on = true) => { document.getElementById(id).hidden = !on; };
const write = (id, text) => { document.getElementById(id).textContent = text; };
const number = (value) => Number(value || 0).toLocaleString('zh-CN');

// The code in the address works once: a reload begins anew, and the token stays out of the page's source.
window.history.replaceState(null, '', body.dataset.again);
delete body.dataset.token;

async function get(path) {
  const answer = await fetch(`/api/miniapp/v1/${path}`, { headers: { Authorization: `Bearer ${token}` } });
  if (answer.status === 401) {
    window.location.replace(body.dataset.again);
    return new Promise(() => {});
  }
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

function coupon(one) {
  const row = document.createElement('li');
  const name = document.createElement('strong');
  const terms = document.createElement('span');
  name.textContent = one.name;
  terms.textContent = [one.summary, ...one.conditions, one.why ? one.why.words : one.expiry].join(' · ');
  row.append(name, terms);
  return row;
}

async function load() {
  const me = await get('me');
  if (!me.bound) {
    write('state', '');
    show('stranger');
    return;
  }
  write('name', me.member.name || '尊敬的会员');
  write('number', `会员号 ${me.member.number}${me.member.phone ? ` · ${me.member.phone}` : ''}`);
  write('tier', me.tier ? me.tier.name : '—');
  write('points', number(me.points));
  write('growth', number(me.growth));
  show('sums');
  const wallet = await get('coupons?status=usable');
  document.getElementById('coupons').append(...wallet.items.map(coupon));
  show('none', wallet.items.length === 0);
  write('state', '');
  show('wallet');
}

load().catch(() => write('state', '加载失败，请稍后再试。'));
