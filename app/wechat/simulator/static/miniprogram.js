/* Plays the brand's mini-program on one shopper's phone. */
'use strict';

const STATES = { claimed: '可使用', locked: '使用中', redeemed: '已使用', expired: '已过期', returned: '已退回', voided: '已作废' };
const KINDS = { earn: '消费获得', spend: '使用', expire: '过期', adjust: '调整', refund: '退货返还', merge: '会员合并' };
const { customer, appid } = document.body.dataset;
const product = customer && appid ? new Product(customer, appid) : null;
let tab = 'home';
let wallet = 'open';

const page = $('#page');
const show = (...nodes) => page.replaceChildren(...nodes.flat().filter(Boolean));
const benefit = (coupon) => ({
  amount: () => yuan(coupon.amount_fen),
  threshold: () => yuan(coupon.amount_fen),
  percent: () => `${Number(((10000 - coupon.percent_bp) / 1000).toFixed(1))} 折`,
  gift: () => '礼品',
  shipping: () => '包邮',
}[coupon.kind] || (() => '券'))();

function loginPage() {
  show(el('div', { class: 'card', style: 'text-align:center;padding:40px 20px' },
    el('h1', {}, '欢迎'), el('p', { class: 'muted' }, '登录后查看会员卡、优惠券和积分'),
    el('button', { class: 'primary block', onclick: guarded(async () => { await product.login(); await render(); }) }, '微信一键登录')));
}

async function home() {
  const me = await product.me();
  const { member, tier } = me;
  const usable = me.coupons.usable || 0;
  const card = el('section', { class: 'member' }, el('b', {}, tier ? tier.name : me.bound ? '普通会员' : '还不是会员'),
    el('div', {}, member ? `${member.name || ''} No.${member.number}` : '授权手机号即可入会'),
    el('div', { class: 'numbers' }, [['积分', me.points], ['成长值', me.growth], ['可用券', usable]]
      .map(([name, value]) => el('div', {}, el('strong', {}, String(value)), el('span', {}, name)))));
  const bind = me.bound
    ? el('div', { class: 'cell' }, '手机号', el('span', { class: 'right muted' }, member.phone || '未绑定', ' ',
      el('button', { class: 'small', onclick: guarded(bindPhone) }, '更换')))
    : el('button', { class: 'primary block', onclick: guarded(bindPhone) }, '授权手机号，成为会员');
  const facts = [
    ['入会时间', member && day(member.joined_at)],
    ['等级', tier && `${tier.name}（${day(tier.since)} 起）`],
    ['下一等级', tier && tier.next_name && `${tier.next_name}，还差 ${Math.max(0, tier.next_growth - me.growth)} 成长值`],
  ].filter(([, value]) => value);
  show(card, el('div', { class: 'card' }, bind,
    facts.map(([name, value]) => el('div', { class: 'cell' }, name, el('span', { class: 'right muted' }, value)))),
  el('button', { class: 'block', onclick: () => { product.forget(); render(); } }, '退出登录'));
}

async function bindPhone() {
  try {
    await product.bindPhone();
  } catch (error) {
    if (error.code !== 'phone_taken') throw error;
    askWhose(error.data);
    return;
  }
  toast('手机号已绑定');
  await render();
}

const OUTCOMES = { merged: '核对通过，会员已合并', moved: '手机号已绑定', review: '已提交人工审核，结果会通知您' };

/* A member with this number exists: is that you, or do you have the number after them? */
function askWhose({ claim, proofs }) {
  const field = (name, label, type = 'text') => el('label', {}, label, el('input', { name, type }));
  const inputs = { card_no: field('card_no', '会员卡号或会员号'), birthday: field('birthday', '生日', 'date'), name: field('name', '姓名') };
  const send = (answer) => guarded(async () => {
    const proof = Object.fromEntries(proofs.map((name) => [name, inputs[name].querySelector('input').value.trim() || null]));
    const done = await product.answerClaim(claim, answer === 'mine' ? { answer, ...proof } : { answer });
    sheet.remove();
    toast(OUTCOMES[done.status]);
    await render();
  });
  const sheet = el('div', { class: 'sheet', role: 'dialog', 'aria-modal': 'true' }, el('div', { class: 'card form', style: 'grid-template-columns:1fr;text-align:left' },
    el('h2', {}, '这个手机号已有会员档案'),
    el('p', { class: 'muted' }, proofs.length ? '如果是您本人，请填写卡号，以及生日或姓名。' : '如果是您本人，我们会请工作人员核对。'),
    proofs.map((name) => inputs[name]),
    el('button', { class: 'primary block', onclick: send('mine') }, '是我本人'),
    el('button', { class: 'block', onclick: send('not_mine') }, '不是我，号码现在归我使用'),
    el('button', { class: 'block', onclick: () => sheet.remove() }, '取消')));
  document.body.append(sheet);
}

function couponCard(coupon, state, note, action) {
  return el('div', { class: `coupon${state && !coupon.usable ? ' off' : ''}` },
    el('div', { class: 'value' }, el('span', {}, benefit(coupon))),
    el('div', { class: 'body' }, el('div', { class: 'ellipsis' }, coupon.name), el('div', { class: 'muted' }, coupon.summary),
      el('div', { class: 'muted' }, note),
      el('div', { class: 'row' }, state ? el('span', { class: 'tag grey' }, state) : null,
        action ? el('span', { class: 'right' }, action) : null)));
}

const WALLET = {
  open: ['可使用', ['claimed', 'returned']], used: ['已使用', ['locked', 'redeemed']], gone: ['已失效', ['expired', 'voided']],
};

async function coupons() {
  const { items } = await product.coupons();
  const inside = (key) => items.filter((coupon) => WALLET[key][1].includes(coupon.status));
  show(el('div', { class: 'tabs' }, Object.keys(WALLET).map((key) => el('button', {
    class: `small${key === wallet ? ' on' : ''}`, onclick: () => { wallet = key; render(); },
  }, `${WALLET[key][0]} ${inside(key).length}`))),
  inside(wallet).map((coupon) => couponCard(coupon, STATES[coupon.status], [coupon.expiry, ...coupon.conditions].join(' · '),
    coupon.why && wallet === 'open' ? el('span', { class: 'muted' }, coupon.why.words) : coupon.usable ? el('button', { class: 'primary small', onclick: guarded(() => present(coupon)) }, '出示') : null)),
  inside(wallet).length ? null : el('p', { class: 'muted', style: 'text-align:center;padding:30px' }, '这里还没有券'));
}

/* The rotating code: shown as QR and text, fetched again when it runs out. */
async function present(coupon) {
  const image = el('img', { alt: '券码' });
  const text = el('div', { class: 'code' });
  const left = el('div', { class: 'muted' });
  const fill = el('i');
  const sheet = el('div', { class: 'sheet', role: 'dialog', 'aria-modal': 'true' }, el('div', { class: 'card' },
    el('h2', {}, coupon.name), image, text, el('div', { class: 'bar' }, fill), left,
    el('button', { class: 'block', onclick: () => { sheet.remove(); render(); } }, '关闭')));
  document.body.append(sheet);
  let until = 0;
  let life = 30;
  const step = async () => {
    if (!sheet.isConnected) return;
    try {
      if (Date.now() >= until) {
        const answer = await product.code(coupon.id);
        life = Math.max(1, answer.expires_in);
        until = Date.now() + life * 1000;
        image.src = `/qr.svg?text=${encodeURIComponent(answer.code)}`;
        text.textContent = answer.code;
      }
      const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
      left.textContent = `${seconds} 秒后自动更新，请勿截图`;
      fill.style.width = `${Math.min(100, (seconds / life) * 100)}%`;
      setTimeout(step, 500);
    } catch (error) {
      sheet.remove();
      toast(error.message);
      render();
    }
  };
  await step();
}

async function claimCentre() {
  const { items } = await product.campaigns();
  const label = (offer) => (offer.claimable ? '领取' : offer.left > 0 ? '已领取' : '已领完');
  show(items.map((offer) => couponCard(offer, null, `剩余 ${offer.left} 张，每人限领 ${offer.per_member} 张`, el('button', {
    class: 'primary small', disabled: !offer.claimable,
    onclick: guarded(async () => { await product.claim(offer.id); toast('领取成功，已放入卡包'); await render(); }),
  }, label(offer)))),
  items.length ? null : el('p', { class: 'muted', style: 'text-align:center;padding:30px' }, '暂时没有可领的券'));
}

async function points() {
  const { balance, items } = await product.points();
  show(el('div', { class: 'card' }, el('h1', {}, `${balance} 积分`),
    items.map((entry) => el('div', { class: 'cell' },
      el('div', {}, el('div', {}, KINDS[entry.kind] || entry.kind), el('div', { class: 'muted' }, day(entry.at))),
      el('b', { class: 'right' }, `${entry.amount > 0 ? '+' : ''}${entry.amount}`))),
    items.length ? null : el('p', { class: 'muted' }, '还没有积分记录')));
}

async function render() {
  document.querySelectorAll('[data-tab]').forEach((button) => button.classList.toggle('on', button.dataset.tab === tab));
  if (!product) {
    show(el('div', { class: 'card' }, '请在左侧填写顾客编号'));
    return;
  }
  if (!product.token) {
    loginPage();
    return;
  }
  try {
    await { home, wallet: coupons, claim: claimCentre, points }[tab]();
  } catch (error) {
    if (error.code === 'not_a_member') {
      show(el('div', { class: 'card' }, el('p', {}, '先在“会员卡”里授权手机号'), el('button', { class: 'primary', onclick: () => { tab = 'home'; render(); } }, '去入会')));
      return;
    }
    if (error.status === 401) {
      product.forget();
      loginPage();
      return;
    }
    show(el('div', { class: 'card' }, el('p', {}, error.message), el('button', { onclick: () => render() }, '重试')));
  }
}

document.querySelectorAll('[data-tab]').forEach((button) => button.addEventListener('click', () => { tab = button.dataset.tab; render(); }));
$('#switch').addEventListener('click', () => {
  const chosen = $('#appid') ? $('#appid').value : appid;
  location.href = `/client/miniprogram?customer=${encodeURIComponent($('#customer').value.trim())}&appid=${encodeURIComponent(chosen)}`;
});
$('#customer').addEventListener('input', guarded(async () => {
  const { rows } = await control.get(`customers?limit=20&q=${encodeURIComponent($('#customer').value.trim())}`);
  $('#people').replaceChildren(...rows.map((row) => el('option', { value: row.id }, row.name)));
}));
(async () => {
  if (customer) {
    try {
      const person = await control.get(`customers/${encodeURIComponent(customer)}`);
      $('#person').replaceChildren(el('div', {}, `${person.name}　${person.phone || '无手机号'}`),
        ...person.follows.map((follow) => el('div', {}, `导购：${follow.name}${follow.lost ? '（已取消）' : ''}`)));
    } catch (error) {
      $('#person').textContent = error.message;
    }
  }
  await render();
})();
