// The links to the sections of a long page: marks the one that is read, and keeps its link in sight.
// A section is read when it crosses this line, in the upper part of the window.
const READING = "-25% 0px -74% 0px";
const HOLD_MS = 1500;

export function mount(root) {
  const links = new Map([...root.querySelectorAll("a")].map((link) => [document.querySelector(link.hash), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting) mark(root, links.get(target));
  }, { rootMargin: READING });
  for (const section of links.keys()) seen.observe(section);
  for (const [section, link] of links) link.addEventListener("click", () => hold(section));
  return () => {};
}

// What comes in sight on the way may load and grow, and must not push away what was asked for.
function hold(section) {
  const grown = new ResizeObserver(() => section.scrollIntoView());
  const stop = () => grown.disconnect();
  grown.observe(section.parentElement);
  setTimeout(stop, HOLD_MS);
  for (const kind of ["wheel", "touchmove", "keydown"]) addEventListener(kind, stop, { once: true, passive: true });
}

function mark(root, link) {
  root.querySelector("[aria-current]")?.removeAttribute("aria-current");
  link.setAttribute("aria-current", "true");
  root.scrollTo({ left: link.offsetLeft - (root.clientWidth - link.offsetWidth) / 2, behavior: "smooth" });
}
