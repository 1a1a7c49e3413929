/* Our API, with what can go wrong in words a guide understands. Refusals of coupons bring their own words. */

const BASE = '/api/sidebar/v1/';

const WORDS = {
  customer_unknown: '没有找到这位客户，请确认您已添加对方为企业微信好友。',
  task_unknown: '任务不存在，或已转给其他同事。',
  task_closed: '任务已过期，不能再完成了。',
  task_not_due: '还没到执行时间，请稍后再来。',
  evidence_invalid: '请先把内容发送给客户，再完成任务。',
  material_unknown: '素材已下架。',
  marketing_refused: '这位客户已拒绝营销，不能发券。',
  reveal_limit: '今天查看的次数已用完。',
  nothing_to_reveal: '客户没有绑定手机号。',
  not_a_member: '客户还不是会员，请先邀请TA在小程序绑定手机号。',
  idempotency_key_reused: '请勿重复操作。',
  too_many_requests: '操作太频繁，请稍后再试。',
  busy: '系统繁忙，请稍后再试。',
  unavailable: '系统繁忙，请稍后再试。',
  wechat_unavailable: '企业微信暂时没有响应，请稍后再试。',
  managers_only: '只有店长可以查看全店任务。',
  offline: '网络不通，请检查网络后重试。',
};

export class Problem extends Error {
  constructor(status, code, words) {
    super(words || WORDS[code] || `操作没有成功，请稍后再试。（${code}）`);
    this.status = status;
    this.code = code;
  }
}

async function call(method, path, { body, headers } = {}) {
  let answer;
  try {
    answer = await fetch(BASE + path, {
      method,
      credentials: 'same-origin',
      headers: { Accept: 'application/json', ...(body ? { 'Content-Type': 'application/json' } : {}), ...headers },
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch {
    throw new Problem(0, 'offline');
  }
  const value = await answer.json().catch(() => ({}));
  if (answer.status === 401) {
    // The session has ended: WeCom says again who this is.
    location.replace(`/sidebar/${location.search}`);
    return new Promise(() => {});
  }
  if (!answer.ok) throw new Problem(answer.status, value.code || `http_${answer.status}`, value.data && value.data.words);
  return value;
}

export const get = (path, query = {}) => {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return call('GET', given.length ? `${path}?${new URLSearchParams(given)}` : path);
};

export const post = (path, body, headers) => call('POST', path, { body, headers });
