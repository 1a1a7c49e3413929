/* How numbers and times are written for a guide. */

const WEEKDAYS = ['周日', '周一', '周二', '周三', '周四', '周五', '周六'];

const two = (number) => String(number).padStart(2, '0');

export const number = (value) => Number(value || 0).toLocaleString('zh-CN');

/** Fen as a price: ¥1,234.5 → "¥1,234.50", whole yuan without decimals. */
export function money(fen) {
  const yuan = Number(fen || 0) / 100;
  const digits = Number.isInteger(yuan) ? 0 : 2;
  return `¥${yuan.toLocaleString('zh-CN', { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

/** Money on a tile: from ten thousand yuan on in 万. */
export function brief(fen) {
  const yuan = Number(fen || 0) / 100;
  return yuan >= 10000 ? `¥${(yuan / 10000).toFixed(1)}万` : `¥${number(Math.round(yuan))}`;
}

export function date(iso) {
  const at = new Date(iso);
  const year = at.getFullYear() === new Date().getFullYear() ? '' : `${at.getFullYear()}年`;
  return `${year}${at.getMonth() + 1}月${at.getDate()}日`;
}

export const day = (iso) => `${Number(iso.slice(5, 7))}/${Number(iso.slice(8, 10))}`;

/** A moment as people say it: 今天 09:30, 昨天 18:00, 周三 10:00, 3月5日. */
export function moment(iso) {
  const at = new Date(iso);
  const start = (one) => new Date(one.getFullYear(), one.getMonth(), one.getDate()).getTime();
  const days = Math.round((start(at) - start(new Date())) / 86400000);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (days === 0) return `今天 ${time}`;
  if (days === -1) return `昨天 ${time}`;
  if (days === 1) return `明天 ${time}`;
  if (days > 1 && days < 7) return `${WEEKDAYS[at.getDay()]} ${time}`;
  return date(iso);
}

export function deadline(task) {
  if (task.status === 'done') return `${moment(task.done_at)} 完成`;
  if (task.status === 'expired') return '已过期';
  const hours = Math.abs(new Date(task.deadline_at) - Date.now()) / 3600000;
  const span = hours < 1 ? `${Math.max(1, Math.round(hours * 60))} 分钟` : hours < 48 ? `${Math.round(hours)} 小时` : `${Math.round(hours / 24)} 天`;
  return task.overdue ? `已超时 ${span}` : `剩余 ${span}`;
}
