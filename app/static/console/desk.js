// The cash desk works without this file. It adds the camera where the browser can read codes, keeps a button from being
// pressed twice (the form's key does so for certain), and sums the lines up.
"use strict";

(() => {
  // Where typing means a keyboard over half of the screen, nothing has the focus before it is touched.
  if (window.matchMedia("(pointer: coarse)").matches && document.activeElement) document.activeElement.blur();

  for (const form of document.querySelectorAll("form[data-once]")) {
    form.addEventListener("submit", (event) => {
      const button = event.submitter;
      if (!button) return;
      // After the form was read: a disabled button is not sent.
      window.setTimeout(() => {
        for (const one of form.querySelectorAll("button")) one.disabled = true;
        if (button.dataset.busy) button.textContent = button.dataset.busy;
      });
    });
  }

  const amount = document.querySelector("input[name=amount]");
  const rows = document.querySelector(".line-rows");
  if (amount && rows) {
    rows.addEventListener("input", () => {
      const fen = [...rows.querySelectorAll("input[name^=price_]")].reduce((sum, one) => sum + Math.round(Number(one.value) * 100 || 0), 0);
      if (fen) amount.value = (fen / 100).toFixed(2);
    });
  }

  const button = document.getElementById("scan");
  const dialog = document.getElementById("camera");
  if (!button || !dialog || !("BarcodeDetector" in window) || !navigator.mediaDevices) return;
  button.hidden = false;
  const code = document.getElementById("code");
  const video = dialog.querySelector("video");
  const words = dialog.querySelector("p");
  const hint = words.textContent;
  let stream = null;

  function stop() {
    if (stream) stream.getTracks().forEach((track) => track.stop());
    stream = null;
  }

  async function read(detector) {
    if (!stream) return;
    const found = await detector.detect(video).catch(() => []);
    if (found.length) {
      code.value = found[0].rawValue;
      dialog.close();
      code.form.requestSubmit();
      return;
    }
    window.setTimeout(() => read(detector), 150);
  }

  button.addEventListener("click", async () => {
    words.textContent = hint;
    dialog.showModal();
    try {
      const formats = await window.BarcodeDetector.getSupportedFormats();
      const detector = new window.BarcodeDetector({ formats: formats.filter((one) => ["qr_code", "code_128"].includes(one)) });
      const opened = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      if (!dialog.open) return opened.getTracks().forEach((track) => track.stop());
      stream = opened;
      video.srcObject = stream;
      await video.play();
      read(detector);
    } catch {
      words.textContent = "无法打开摄像头，请检查权限，或手动输入券码。";
    }
  });
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", stop);
})();
