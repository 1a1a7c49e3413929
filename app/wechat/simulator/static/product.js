/* The product's shopper API (/api/miniapp/v1), through the simulator because a real mini-program knows no CORS. */
'use strict';

class Product {
  constructor(customer, appid) {
    this.customer = customer;
    this.appid = appid;
    this.key = `token|${appid}|${customer}`;
    this.token = sessionStorage.getItem(this.key);
  }

  call(method, path, body, headers = {}) {
    const auth = this.token ? { Authorization: `Bearer ${this.token}` } : {};
    return request(method, `/client/api/api/miniapp/v1/${path}`, body, { ...auth, ...headers });
  }

  /* wx.login() gives a code, the product exchanges it for its own token. */
  async login() {
    const { code } = await control.post('codes', { kind: 'login', customer: this.customer, appid: this.appid });
    const scene = new URLSearchParams(window.location.search).get('scene');
    const answer = await this.call('POST', 'login', { appid: this.appid, code, ...(scene && { scene }) });
    this.token = answer.token;
    sessionStorage.setItem(this.key, this.token);
    return answer;
  }

  /* The phone button gives a code, the product asks Tencent for the number. */
  async bindPhone() {
    const { code } = await control.post('codes', { kind: 'phone', customer: this.customer, appid: this.appid });
    return this.call('POST', 'phone', { code });
  }

  /* The number is known as somebody else's: the shopper says whether that is them, and proves it. */
  answerClaim(claim, answer) { return this.call('POST', `phone/claims/${encodeURIComponent(claim)}`, answer); }

  me() { return this.call('GET', 'me'); }
  coupons() { return this.call('GET', 'coupons?limit=100'); }
  code(couponId) { return this.call('GET', `coupons/${encodeURIComponent(couponId)}/code`); }
  campaigns() { return this.call('GET', 'campaigns'); }
  claim(campaignId) {
    return this.call('POST', `campaigns/${encodeURIComponent(campaignId)}/claim`, {}, { 'Idempotency-Key': crypto.randomUUID() });
  }
  points() { return this.call('GET', 'points'); }

  forget() {
    this.token = null;
    sessionStorage.removeItem(this.key);
  }
}
