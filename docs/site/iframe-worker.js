/* Browsers start no workers from a disk; there, the search's worker runs in an invisible frame. */
if (location.protocol === "file:") window.Worker = class extends EventTarget {
  constructor(url) {
    super();
    const frame = document.createElement("iframe");
    frame.hidden = true;
    this.ready = new Promise((resolve) => { frame.addEventListener("load", () => resolve(frame.contentWindow)); });
    frame.srcdoc = "<!doctype html><script>"
      + "postMessage = (data) => frameElement.dispatchEvent(new CustomEvent('answer', { detail: data }));"
      + "importScripts = (...urls) => Promise.all(urls.map((src) => new Promise((done) => {"
      + " document.head.append(Object.assign(document.createElement('script'), { src, onload: done })); })));"
      + `<\/script><script src="${url}"><\/script>`;
    frame.addEventListener("answer", (event) => {
      this.dispatchEvent(new MessageEvent("message", { data: event.detail }));
    });
    document.body.append(frame);
  }
  postMessage(data) {
    this.ready.then((frame) => frame.dispatchEvent(new frame.MessageEvent("message", { data })));
  }
};
