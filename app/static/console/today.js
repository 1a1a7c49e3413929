// The page of today: asks for the figures and the feed every few seconds; an answer that has not changed costs a 304.
"use strict";

(() => {
  const EVERY = 4000;
  const api = "/api/admin/v1";
  const brand = new URLSearchParams(location.search).get("brand");
  const number = (value) => value.toLocaleString("zh-CN");
  const money = (fen) => `¥${(fen / 100).toLocaleString("zh-CN", { minimumFractionDigits: fen < 10000000 ? 2 : 0, maximumFractionDigits: fen < 10000000 ? 2 : 0 })}`;
  const share = (bp) => `${(bp / 100).toFixed(1)}%`;
  const tags = {};
  const seen = new Set();

  async function ask(path) {
    const url = brand ? `${api}${path}?brand=${encodeURIComponent(brand)}` : api + path;
    const headers = tags[path] ? { "If-None-Match": tags[path] } : {};
    const answer = await fetch(url, { headers, cache: "no-store" });
    if (answer.status === 401) location.reload();
    if (answer.status === 304) return null;
    if (!answer.ok) throw new Error(`${path} ${answer.status}`);
    tags[path] = answer.headers.get("ETag");
    return answer.json();
  }

  function kpi(name, text, figure, points, extra) {
    const card = document.querySelector(`[data-kpi="${name}"]`);
    card.querySelector("b").textContent = text;
    const change = card.querySelector(".change");
    const difference = figure.today - figure.yesterday;
    const grown = points ? `${Math.abs(difference / 100).toFixed(1)} 个百分点` : figure.yesterday ? share(Math.abs(difference * 10000) / figure.yesterday) : difference ? "新增" : "0%";
    change.textContent = `${difference > 0 ? "▲" : difference < 0 ? "▼" : "—"} ${grown}`;
    change.className = `change ${difference > 0 ? "up" : difference < 0 ? "down" : ""}`;
    card.querySelector(".extra").textContent = extra;
  }

  function cell(row, text, kind) {
    const td = row.insertCell();
    td.textContent = text;
    if (kind) td.className = kind;
    return td;
  }

  function stores(rows) {
    const body = document.getElementById("stores");
    body.replaceChildren();
    rows.forEach((store, index) => {
      const row = body.insertRow();
      const rank = document.createElement("span");
      rank.className = `rank r${index + 1}`;
      rank.textContent = index + 1;
      cell(row, "").append(rank);
      cell(row, store.name);
      cell(row, money(store.sales_fen), "num strong");
      cell(row, number(store.orders), "num");
      cell(row, number(store.new_members), "num");
      cell(row, number(store.customers_added), "num");
      const meter = document.createElement("div");
      meter.className = "meter";
      const bar = document.createElement("i");
      bar.style.width = `${store.task_bp / 100}%`;
      meter.append(bar);
      const tasks = cell(row, "");
      tasks.append(meter, store.tasks_due ? share(store.task_bp) : "—");
      cell(row, number(store.redeemed), "num");
    });
  }

  function show(today) {
    document.getElementById("date").textContent = today.date;
    kpi("new_members", number(today.new_members.today), today.new_members, false, `昨日同时段 ${number(today.new_members.yesterday)} 人`);
    kpi("customers_added", number(today.customers_added.today), today.customers_added, false, `昨日同时段 ${number(today.customers_added.yesterday)} 人`);
    kpi("task_bp", share(today.task_bp.today), today.task_bp, true, `完成 ${number(today.tasks_done.today)} · 今日应办 ${number(today.tasks_due.today)}`);
    kpi("coupons_redeemed", number(today.coupons_redeemed.today), today.coupons_redeemed, false, `发放 ${number(today.coupons_issued.today)} 张 · 优惠 ${money(today.discount_fen.today)}`);
    kpi("sales_fen", money(today.sales_fen.today), today.sales_fen, false, `${number(today.orders.today)} 笔订单`);
    const hour = Number(new Intl.DateTimeFormat("en-GB", { hour: "2-digit", hourCycle: "h23", timeZone: today.timezone }).format(new Date()));
    charts.hours(today.sales_by_hour, today.sales_by_hour_yesterday, hour);
    charts.funnel([
      { name: "添加导购", value: today.funnel.added },
      { name: "绑定会员", value: today.funnel.bound },
      { name: "任务触达", value: today.funnel.tasked },
      { name: "核销到店", value: today.funnel.redeemed },
    ]);
    charts.top(today.stores);
    stores(today.stores);
  }

  function feed(items) {
    const list = document.getElementById("feed");
    const first = seen.size === 0;
    list.replaceChildren(...items.map((item) => {
      const li = document.createElement("li");
      li.className = item.name.split(".")[0] + (first || seen.has(item.id) ? "" : " new");
      const text = document.createElement("span");
      text.textContent = item.text;
      const time = document.createElement("time");
      time.dateTime = item.at;
      time.textContent = new Date(item.at).toLocaleTimeString("zh-CN", { hour12: false });
      li.append(document.createElement("i"), text, time);
      seen.add(item.id);
      return li;
    }));
    if (!items.length) {
      const li = document.createElement("li");
      li.className = "muted";
      li.textContent = "今天还没有新动态";
      list.append(li);
    }
  }

  async function refresh() {
    const live = document.getElementById("live");
    try {
      const [today, happened] = await Promise.all([ask("/today"), ask("/feed")]);
      if (today) show(today);
      if (happened) feed(happened.items);
      live.className = "live";
      document.body.dataset.ready = "yes";
    } catch (error) {
      live.className = "live off";
    }
    window.setTimeout(refresh, EVERY);
  }

  refresh();
})();
