'use strict';

control.get('customers?limit=50').then(({ rows }) => {
  $('#customers').replaceChildren(...rows.map((row) => el('option', { value: row.id }, row.name)));
});
$('#scan').addEventListener('click', guarded(async () => {
  const customer = $('#customer').value.trim();
  if (!customer) throw new Error('请填写顾客编号');
  const state = new URLSearchParams(window.location.search).get('customer_channel');
  const { staff } = await control.post('scan', { config_id: document.body.dataset.config, customer, state });
  toast(`已添加导购 ${staff}`);
}));
