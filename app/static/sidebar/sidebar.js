/* The page's state, one Alpine component; the markup is in templates/sidebar/home.html. */

import { get, post } from './api.js';
import * as format from './format.js';
import * as wecom from './wecom.js';

const KINDS = { text: '文字', image: '图片', link: '图文', miniprogram: '小程序' };
const STALE = 30000; // milliseconds
const ACTIONS = { message: '发消息', call: '打电话', invite: '邀约到店' };

/** 32 random hexadecimal digits; `randomUUID` is missing in older WeCom clients. */
const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** A part of the page that is loaded: nothing yet, loading, an error in words, or its data. */
const part = () => ({ loading: false, error: '', data: null });

async function load(state, ask) {
  state.loading = true;
  state.error = '';
  try {
    state.data = await ask();
  } catch (problem) {
    state.error = problem.message;
  } finally {
    state.loading = false;
  }
}

function sidebar() {
  return {
    ...format,
    tab: 'customer',
    connecting: true,
    external: null,
    me: part(),
    customer: part(),
    phone: '',
    labels: { ...part(), open: false },
    tasks: { ...part(), status: 'open', of: 'me', next: null },
    task: { ...part(), open: false, sending: false, sent: null, note: '', noting: false },
    materials: part(),
    offers: part(),
    performance: { ...part(), days: 7 },
    asking: null,
    toast: { text: '', kind: '', timer: null },
    busy: false,
    shownAt: 0,

    async init() {
      const wanted = document.body.dataset.task;
      load(this.me, () => get('me'));
      if (wanted) this.openTask(wanted);
      try {
        this.external = await wecom.connect();
      } catch (problem) {
        this.customer.error = problem.message;
      }
      this.connecting = false;
      this.shownAt = Date.now();
      document.addEventListener('visibilitychange', () => this.wake());
      if (this.external) this.loadCustomer();
      else if (!wanted) this.show(this.customer.error ? 'customer' : 'tasks');
    },

    /** The sidebar stays open for hours: whoever comes back to it sees the present state. */
    wake() {
      if (document.hidden || this.task.open || this.asking || Date.now() - this.shownAt < STALE) return;
      load(this.me, () => get('me'));
      this.show(this.tab);
    },

    /* ---- tabs ---- */

    show(tab) {
      this.tab = tab;
      this.shownAt = Date.now();
      this.task.open = false;
      window.scrollTo(0, 0);
      if (tab === 'customer' && this.external) this.loadCustomer();
      if (tab === 'tasks') this.loadTasks(this.tasks.status);
      if (tab === 'materials') load(this.materials, () => get('materials', { external_userid: this.external }));
      if (tab === 'coupons') this.loadOffers();
      if (tab === 'performance') this.loadPerformance(this.performance.days);
    },

    loadCustomer() {
      return load(this.customer, () => get(`customers/${encodeURIComponent(this.external)}`));
    },

    /** The customer's phone, for a short while; every look is counted and written down. */
    async seePhone() {
      if (this.busy) return;
      this.busy = true;
      try {
        const path = `customers/${encodeURIComponent(this.external)}/reveals`;
        const { value } = await post(path, { field: 'phone', reason: '联系本人客户' });
        this.phone = value;
        setTimeout(() => { this.phone = ''; }, 15000);
      } catch (problem) {
        this.say(problem.message, 'warn');
      } finally {
        this.busy = false;
      }
    },

    /** The brand's tags under the customer's own: each is put on or taken off with a touch. */
    async editTags() {
      this.labels.open = !this.labels.open;
      if (this.labels.open) await load(this.labels, async () => (await get(this.tagsPath)).items);
    },

    async toggleTag(tag) {
      this.busy = true;
      await load(this.labels, async () => (await post(this.tagsPath, tag.held ? { off: [tag.id] } : { put: [tag.id] })).items);
      this.busy = false;
      if (this.labels.data) this.customer.data.member.tags = this.labels.data.filter((one) => one.held).map((one) => one.name);
    },

    get tagsPath() {
      return `customers/${encodeURIComponent(this.external)}/tags`;
    },

    async loadTasks(status) {
      if (this.tasks.status !== status) this.tasks.data = null;
      this.tasks.status = status;
      await load(this.tasks, async () => {
        const page = await get('tasks', { status, of: this.tasks.of });
        this.tasks.next = page.next_cursor;
        return page.items;
      });
    },

    whose(of) {
      this.tasks.of = of;
      this.tasks.data = null;
      return this.loadTasks(this.tasks.status);
    },

    async moreTasks() {
      await load(this.tasks, async () => {
        const page = await get('tasks', { status: this.tasks.status, of: this.tasks.of, cursor: this.tasks.next });
        this.tasks.next = page.next_cursor;
        return [...this.tasks.data, ...page.items];
      });
    },

    loadOffers() {
      return load(this.offers, () => get('coupons', { external_userid: this.external }));
    },

    loadPerformance(days) {
      this.performance.days = days;
      return load(this.performance, () => get('performance', { days }));
    },

    /* ---- a task ---- */

    async openTask(id) {
      Object.assign(this.task, part(), { open: true, sending: false, sent: null, note: '', noting: false });
      this.tab = 'tasks';
      window.scrollTo(0, 0);
      await load(this.task, () => get(`tasks/${id}`));
    },

    closeTask() {
      this.task.open = false;
      this.show('tasks');
    },

    /** Whether the chat beside the page is the one with the task's customer. */
    get besideCustomer() {
      const { data } = this.task;
      return Boolean(data && data.customer && this.external && data.customer.external_userid === this.external);
    },

    async sendTask() {
      const { data } = this.task;
      if (this.task.sending || !data.material) return;
      this.task.sending = true;
      try {
        const { messages } = data.material;
        await wecom.send(messages);
        this.task.sent = { kind: 'sidebar_send', msgtype: messages[messages.length - 1].msgtype, external_userid: this.external };
      } catch {
        this.say('没有发送成功，请在聊天窗口重试', 'warn');
      }
      this.task.sending = false;
      if (this.task.sent) await this.finish(this.task.sent);
    },

    async finish(evidence) {
      if (this.busy) return;
      this.busy = true;
      try {
        const { data } = this.task;
        await post(`tasks/${data.id}/complete`, { evidence });
        this.task.noting = false;
        this.say(data.coupon ? '任务已完成，优惠券随后到账' : '任务已完成', 'success');
        await load(this.task, () => get(`tasks/${data.id}`));
        load(this.me, () => get('me'));
        if (this.external) this.loadCustomer();
      } catch (problem) {
        this.say(problem.message, 'warn');
      } finally {
        this.busy = false;
      }
    },

    finishWithNote() {
      const note = this.task.note.trim();
      if (note.length < 2) return this.say('请简单写几个字', 'warn');
      return this.finish({ kind: 'note', note });
    },

    async goToChat() {
      try {
        await wecom.openChat(this.task.data.customer.external_userid);
      } catch {
        this.say('请在企业微信里打开与该客户的聊天', 'warn');
      }
    },

    /* ---- material and coupons ---- */

    async sendMaterial(material) {
      if (!this.external) return this.say('请先打开与客户的聊天', 'warn');
      try {
        await wecom.send(material.messages);
        this.say('已发送', 'success');
      } catch {
        this.say('没有发送成功，请重试', 'warn');
      }
    },

    ask(offer) {
      if (!this.external) return this.say('请先打开与客户的聊天', 'warn');
      // One key for one intention: pressing twice, or again after a lost answer, gives one coupon.
      this.asking = { offer, key: newKey() };
    },

    async give() {
      if (this.busy) return;
      this.busy = true;
      const { offer, key } = this.asking;
      try {
        const path = `customers/${encodeURIComponent(this.external)}/coupons`;
        await post(path, { campaign: offer.id }, { 'Idempotency-Key': key });
        this.asking = null;
        this.say('已发放到客户的卡包', 'success');
        this.loadOffers();
      } catch (problem) {
        if (problem.status && problem.status < 500) this.asking = null;
        this.say(problem.message, 'warn');
      } finally {
        this.busy = false;
      }
    },

    /* ---- words and shapes ---- */

    say(text, kind) {
      clearTimeout(this.toast.timer);
      Object.assign(this.toast, { text, kind, timer: setTimeout(() => { this.toast.text = ''; }, 2600) });
    },

    hide(element) {
      element.hidden = true;
    },

    kindOf: (kind) => KINDS[kind] || kind,
    actionOf: (action) => ACTIONS[action] || action,
    initial: (name) => (name || '客').slice(-1),

    get progress() {
      const tier = this.customer.data && this.customer.data.member && this.customer.data.member.tier;
      if (!tier) return 0;
      return tier.next_growth ? Math.min(100, Math.round((tier.growth / tier.next_growth) * 100)) : 100;
    },

    get nextTier() {
      const tier = this.customer.data && this.customer.data.member && this.customer.data.member.tier;
      if (!tier) return '';
      if (!tier.next_name) return '已是最高等级';
      return `再得 ${format.number(Math.max(0, tier.next_growth - tier.growth))} 成长值升级为${tier.next_name}`;
    },

    offerState(offer) {
      if (offer.limit_reached) return '已领满';
      if (offer.left_today === 0) return '今日已发完';
      return offer.left < 1 ? '已发完' : '';
    },

    ticketNote(coupon) {
      return [...coupon.conditions, coupon.expiry].join(' · ');
    },

    offerNote(offer) {
      const mine = offer.left_today === null ? '' : `今日还可发 ${format.number(offer.left_today)} 张`;
      return [...offer.conditions, `剩余 ${format.number(offer.left)} 张`, mine].filter(Boolean).join(' · ');
    },

    /** Heights of the chart's columns in percent. */
    columns(name) {
      const days = (this.performance.data && this.performance.data.days) || [];
      const most = Math.max(1, ...days.map((one) => one[name]));
      const every = Math.ceil(days.length / 7);
      return days.map((one, index) => ({
        key: one.day,
        value: one[name],
        height: `${Math.max(one[name] ? 6 : 2, Math.round((one[name] / most) * 100))}%`,
        label: (days.length - 1 - index) % every === 0 ? format.day(one.day) : '',
      }));
    },
  };
}

document.addEventListener('alpine:init', () => window.Alpine.data('sidebar', sidebar));
