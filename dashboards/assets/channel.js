// Connects the page's parts (page.js) with the server: messages come in and go out through two queues of the window.
export function render({ model }) {
  const queues = (window.proxmonQueues ??= { inbox: [], outbox: [] });
  model.on("msg:custom", (event) => {
    queues.inbox.push(...JSON.parse(event.data ?? event));
    document.dispatchEvent(new Event("proxmon:inbox"));
  });
  let isLost = false;
  const flush = () => {
    // What is asked now gets no answer: the page is loaded anew once the server is there again.
    if (isLost) return;
    for (const message of queues.outbox.splice(0)) model.send_msg(message);
  };
  document.addEventListener("proxmon:outbox", flush);
  // What the server sent before this moment would have been lost, so it waits for this word.
  model.send_msg({ hello: true });
  flush();
  for (const bokeh of window.Bokeh?.documents ?? []) {
    bokeh.on_event("connection_lost", () => {
      isLost = true;
      document.dispatchEvent(new Event("proxmon:lost"));
    });
  }
  const nothing = document.createElement("span");
  nothing.hidden = true;
  return nothing;
}
