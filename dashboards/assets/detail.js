// Shows HTML that the server rendered, and keeps open what a reader has opened when it changes.
export function render({ model }) {
  const root = document.createElement("div");
  const nameOf = (details) => details.closest("[data-key]")?.dataset.key;
  const show = () => {
    const states = new Map([...root.querySelectorAll("details")].map((one) => [nameOf(one), one.open]));
    root.innerHTML = model.html;
    for (const one of root.querySelectorAll("details")) one.open = states.get(nameOf(one)) ?? one.open;
  };
  show();
  model.on("html", show);
  return root;
}
