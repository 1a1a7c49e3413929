/* A stand-in for @wecom/jssdk (global `ww`): the same promise and callback shapes, answered by the simulator's WeCom
   client page, which holds this page in a frame. Signatures are checked against the tickets the simulator issued. */
(function (global) {
  'use strict';
  var SDK_VERSION = '2.4.4-simulator';
  var NAMESPACE = 'siyu-simulator-ww';
  var options = null;
  var ready = {};
  var pending = {};
  var next = 1;

  global.addEventListener('message', function (event) {
    var data = event.data;
    if (!data || data.ns !== NAMESPACE || !pending[data.id]) return;
    var done = pending[data.id];
    delete pending[data.id];
    done(data.result);
  });

  function ask(method, params) {
    return new Promise(function (resolve) {
      if (global.parent === global) {
        resolve({ errMsg: method + ':fail not in WeCom', errCode: -1 });
        return;
      }
      var id = NAMESPACE + next++;
      pending[id] = resolve;
      global.parent.postMessage({ ns: NAMESPACE, id: id, method: method, params: params || {} }, '*');
      setTimeout(function () {
        if (!pending[id]) return;
        delete pending[id];
        resolve({ errMsg: method + ':fail timeout', errCode: -1 });
      }, 30000);
    });
  }

  function plain(params) {
    var copy = {};
    Object.keys(params || {}).forEach(function (name) {
      if (typeof params[name] !== 'function') copy[name] = params[name];
    });
    return copy;
  }

  function call(hook, value) {
    if (typeof hook === 'function') hook(value);
  }

  /* Every result has errMsg `name:ok` and errCode 0, or rejects with `name:fail reason`. */
  function settle(name, params, result) {
    params = params || {};
    if (!result.errMsg) result.errMsg = name + ':ok';
    if (result.errCode === undefined || result.errCode === null) result.errCode = /:ok$/.test(result.errMsg) ? 0 : -1;
    call(result.errCode === 0 ? params.success : /:cancel$/.test(result.errMsg) ? params.cancel : params.fail, result);
    call(params.complete, result);
    if (result.errCode === 0) return result;
    throw result; /* as the real library: it rejects, callbacks or not */
  }

  function register(given) {
    if (!given || !given.corpId) throw new Error('Missing corpId');
    options = given;
    ready = {};
    /* The real library configures itself in the background as soon as it is registered. */
    Promise.resolve().then(function () {
      if (options.getConfigSignature) ensureCorpConfigReady().catch(function () {});
      if (options.getAgentConfigSignature) ensureAgentConfigReady().catch(function () {});
    });
  }

  function configure(kind, factory, hooks) {
    if (!options) return Promise.reject(new Error('ww.register must be called first'));
    if (!ready[kind]) {
      var url = location.href.split('#')[0];
      ready[kind] = Promise.resolve(factory(url))
        .then(function (signed) {
          var params = {
            corpid: options.corpId, appId: options.corpId, agentid: options.agentId,
            timestamp: String(signed.timestamp), nonceStr: signed.nonceStr, signature: signed.signature,
            jsApiList: options.jsApiList || [], url: url, kind: kind
          };
          return ask(kind, params).then(function (result) {
            if (result.errCode !== 0) throw result;
            return { params: params, result: result };
          });
        })
        .then(function (info) {
          call(hooks.ok, info.result);
          call(hooks.complete, info.result);
          return info;
        }, function (error) {
          call(hooks.fail, error);
          call(hooks.complete, error);
          throw error;
        });
    }
    return ready[kind];
  }

  function ensureCorpConfigReady() {
    return configure('config', options && options.getConfigSignature, {
      ok: options.onConfigSuccess, fail: options.onConfigFail, complete: options.onConfigComplete
    });
  }

  function ensureAgentConfigReady() {
    return configure('agentConfig', options && options.getAgentConfigSignature, {
      ok: options.onAgentConfigSuccess, fail: options.onAgentConfigFail, complete: options.onAgentConfigComplete
    });
  }

  function ensureConfigReady() {
    if (!options) return Promise.reject(new Error('ww.register must be called first'));
    return options.getAgentConfigSignature ? ensureAgentConfigReady() : ensureCorpConfigReady();
  }

  function invoke(name, params, callback) {
    return ensureConfigReady()
      .then(function () { return ask(name, plain(params)); }, function (error) {
        return { errMsg: name + ':fail no permission', errCode: -1, cause: String((error && error.errMsg) || error) };
      })
      .then(function (result) {
        call(callback, result);
        return settle(name, params, result);
      });
  }

  var ww = {
    SDK_VERSION: SDK_VERSION,
    IS_WECOM_SDK: true,
    env: { isWeChat: false, isWeCom: true, isMobile: false, isDesktop: true },
    EntryType: {
      contact_profile: 'contact_profile', single_chat_tools: 'single_chat_tools', group_chat_tools: 'group_chat_tools',
      chat_attachment: 'chat_attachment', single_kf_tools: 'single_kf_tools', normal: 'normal'
    },
    OpenUserProfileType: { internal: 1, external: 2 },
    register: register,
    ensureConfigReady: ensureConfigReady,
    ensureCorpConfigReady: ensureCorpConfigReady,
    ensureAgentConfigReady: ensureAgentConfigReady,
    invoke: invoke,
    on: function () { return Promise.resolve(); }
  };
  ['getContext', 'getCurExternalContact', 'getCurExternalChat', 'sendChatMessage', 'shareToExternalContact',
    'shareToExternalChat', 'shareToExternalMoments', 'openUserProfile', 'openEnterpriseChat', 'openExistedChatWithMsg',
    'selectExternalContact', 'navigateToAddCustomer', 'checkJsApi', 'hideOptionMenu', 'showOptionMenu', 'closeWindow',
    'previewImage', 'scanQRCode', 'getNetworkType', 'setClipboardData', 'launchMiniprogram', 'openDefaultBrowser'
  ].forEach(function (name) {
    ww[name] = function (params) { return invoke(name, params); };
  });
  ['onHistoryBack', 'onMenuShareAppMessage', 'onMenuShareTimeline', 'onMenuShareWechat', 'onUserCaptureScreen'
  ].forEach(function (name) {
    ww[name] = function () {};
  });
  global.ww = ww;
})(window);
