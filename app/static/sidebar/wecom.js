/* WeCom's client, through the JS-SDK (global `ww`). Everything it says about who the customer is, the server checks. */

import { get } from './api.js';

const APIS = ['getContext', 'getCurExternalContact', 'sendChatMessage', 'openEnterpriseChat'];
const CHATS = ['contact_profile', 'single_chat_tools', 'chat_attachment'];
const PATIENCE = 8000;

const sdk = () => window.ww;

function patiently(promise) {
  const timer = new Promise((_, reject) => setTimeout(() => reject(new Error('timeout')), PATIENCE));
  return Promise.race([promise, timer]);
}

/** Introduce the page to WeCom and learn beside whose chat it is: an external_userid, or null outside a chat. */
export async function connect() {
  if (!sdk()) return null;
  let signed = null;
  const signatures = (url) => {
    signed = signed || get('jssdk', { url });
    return signed;
  };
  const first = await signatures(location.href.split('#')[0]);
  sdk().register({
    corpId: first.corp_id,
    agentId: first.agent_id,
    jsApiList: APIS,
    getConfigSignature: async (url) => (await signatures(url)).config,
    getAgentConfigSignature: async (url) => (await signatures(url)).agent_config,
  });
  try {
    const { entry } = await patiently(sdk().getContext());
    if (!CHATS.includes(entry)) return null;
    const { userId } = await patiently(sdk().getCurExternalContact());
    return userId || null;
  } catch {
    return null; // an ordinary browser, or opened from the workbench
  }
}

/** Put messages into the chat beside the page, one after the other. Rejects when the guide or WeCom refuses one. */
export async function send(messages) {
  // A plain copy: what Alpine watches is a Proxy, which cannot be posted to WeCom's client.
  for (const { msgtype, [msgtype]: content } of JSON.parse(JSON.stringify(messages))) {
    const result = await sdk().sendChatMessage({ msgtype, [msgtype]: content, enterChat: true });
    if (result && result.errCode) throw result;
  }
}

/** Open the chat with a customer. */
export const openChat = (externalUserid) =>
  sdk().openEnterpriseChat({ groupName: '', userIds: [], externalUserIds: [externalUserid] });
