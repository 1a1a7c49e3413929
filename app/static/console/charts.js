// The three charts of the page of today. Each is drawn once and then given new data, so that it moves instead of blinking.
"use strict";

const charts = (() => {
  const ink = "#7a8499", line = "#e8ebf2", blue = "#2f6bff", grey = "#c3cbdb";
  const font = { color: ink, fontSize: 12 };
  const yuan = (fen) => Math.round(fen) / 100;
  const short = (value) => (value >= 10000 ? `${+(value / 10000).toFixed(1)}万` : String(value));
  const drawn = {};

  function chart(id) {
    if (!drawn[id]) {
      drawn[id] = echarts.init(document.getElementById(id), null, { renderer: "svg" });
      window.addEventListener("resize", () => drawn[id].resize());
    }
    return drawn[id];
  }

  function hours(today, yesterday, until) {
    chart("hours").setOption({
      grid: { left: 8, right: 16, top: 36, bottom: 4, containLabel: true },
      legend: { right: 0, top: 0, icon: "roundRect", itemWidth: 10, itemHeight: 10, textStyle: font },
      tooltip: { trigger: "axis", valueFormatter: (value) => (value == null ? "—" : `¥${value.toLocaleString("zh-CN")}`) },
      xAxis: { type: "category", boundaryGap: false, data: today.map((_, hour) => `${hour}:00`), axisLabel: { ...font, interval: 2 }, axisLine: { lineStyle: { color: line } }, axisTick: { show: false } },
      yAxis: { type: "value", axisLabel: { ...font, formatter: short }, splitLine: { lineStyle: { color: line } } },
      series: [
        { name: "今日", type: "line", smooth: 0.3, showSymbol: false, data: today.map((fen, hour) => (hour <= until ? yuan(fen) : null)), lineStyle: { width: 3 }, color: blue, areaStyle: { color: { type: "linear", x: 0, y: 0, x2: 0, y2: 1, colorStops: [{ offset: 0, color: "rgba(47,107,255,.28)" }, { offset: 1, color: "rgba(47,107,255,0)" }] } } },
        { name: "昨日", type: "line", smooth: 0.3, showSymbol: false, data: yesterday.map(yuan), lineStyle: { width: 2, type: "dashed" }, color: grey },
      ],
    });
  }

  // Bars around one middle line: how many are left at each step.
  function funnel(steps) {
    const top = Math.max(1, steps[0].value);
    const rate = (value) => `${((value * 100) / top).toFixed(1)}%`;
    chart("funnel").setOption({
      grid: { left: 8, right: 8, top: 8, bottom: 8, containLabel: true },
      tooltip: { formatter: ({ dataIndex }) => `${steps[dataIndex].name}：${steps[dataIndex].value} 人（${rate(steps[dataIndex].value)}）` },
      xAxis: { type: "value", min: 0, max: top * 1.4, show: false },
      yAxis: { type: "category", inverse: true, data: steps.map((step) => step.name), axisLine: { show: false }, axisTick: { show: false }, axisLabel: { ...font, fontSize: 13 } },
      series: [
        { type: "bar", stack: "funnel", silent: true, itemStyle: { color: "transparent" }, data: steps.map((step) => (top - step.value) / 2) },
        { type: "bar", stack: "funnel", barWidth: 38, data: steps.map((step, index) => ({ value: step.value, itemStyle: { color: ["#2f6bff", "#5b8bff", "#22b07d", "#f59e0b"][index], borderRadius: 6 } })) },
        // Numbers stand at the right edge, whatever the bar's width.
        { type: "bar", barGap: "-100%", barWidth: 38, silent: true, itemStyle: { color: "transparent" }, data: steps.map(() => top * 1.4), label: { show: true, position: "insideRight", formatter: ({ dataIndex }) => `{count|${steps[dataIndex].value}}\n{rate|${dataIndex ? rate(steps[dataIndex].value) : "人"}}`, rich: { count: { color: "#1d2433", fontWeight: 600, fontSize: 14, align: "right", lineHeight: 19 }, rate: { ...font, align: "right", lineHeight: 15 } } } },
      ],
    });
  }

  function top(stores) {
    const shown = stores.slice(0, 10);
    chart("top").setOption({
      grid: { left: 8, right: 72, top: 4, bottom: 4, containLabel: true },
      tooltip: { trigger: "axis", axisPointer: { type: "shadow" }, valueFormatter: (value) => `¥${value.toLocaleString("zh-CN")}` },
      xAxis: { type: "value", show: false },
      yAxis: { type: "category", inverse: true, data: shown.map((store) => store.name), axisLine: { show: false }, axisTick: { show: false }, axisLabel: font },
      series: [{ name: "销售额", type: "bar", barWidth: 14, data: shown.map((store) => yuan(store.sales_fen)), itemStyle: { borderRadius: 7, color: { type: "linear", x: 0, y: 0, x2: 1, y2: 0, colorStops: [{ offset: 0, color: "#7aa5ff" }, { offset: 1, color: blue }] } }, label: { show: true, position: "right", ...font, formatter: ({ value }) => `¥${short(value)}` } }],
    });
  }

  return { hours, funnel, top };
})();
