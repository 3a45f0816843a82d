// Lines of a list that are dragged to their place, by mouse, pen or finger. Where there is no script the buttons do it. What
// was dropped is sent as a step like any other, so that it is kept, or refused, as those are.

for (const list of document.querySelectorAll("[data-drag]")) {
  for (const handle of list.querySelectorAll("[data-handle]")) {
    handle.hidden = false;
    handle.addEventListener("pointerdown", (event) => begin(event, list, handle));
  }
}

function begin(event, list, handle) {
  if (event.button !== 0) return;
  event.preventDefault();
  const line = handle.closest("li");
  const before = [...list.children];
  let moved = 0; // How far it was put already, so that it stays under the pointer.
  const from = event.clientY;
  // The list stays where it is; a line that is put elsewhere would lose the pointer.
  list.setPointerCapture(event.pointerId);
  line.classList.add("is-dragged");

  const move = ({ clientY }) => {
    const middle = (one) => one.offsetTop + one.offsetHeight / 2;
    const at = line.offsetTop - moved + clientY - from + line.offsetHeight / 2;
    const others = before.filter((one) => one !== line);
    const next = [...list.children].filter((one) => one !== line).find((one) => at < middle(one));
    if ((next ?? null) !== line.nextElementSibling && others.length) {
      const top = line.offsetTop;
      list.insertBefore(line, next ?? null);
      moved += line.offsetTop - top;
    }
    line.style.transform = `translateY(${clientY - from - moved}px)`;
  };
  const end = ({ type }) => {
    list.removeEventListener("pointermove", move);
    list.removeEventListener("pointerup", end);
    list.removeEventListener("pointercancel", end);
    line.classList.remove("is-dragged");
    line.style.transform = "";
    if (type === "pointercancel") before.forEach((one) => list.append(one));
    const place = [...list.children].indexOf(line);
    if (place === before.indexOf(line)) return;
    const step = document.createElement("input");
    Object.assign(step, { type: "hidden", name: "do", value: `place ${handle.dataset.handle} ${place}` });
    const form = list.closest("form");
    form.append(step);
    form.submit();
  };
  list.addEventListener("pointermove", move);
  list.addEventListener("pointerup", end);
  list.addEventListener("pointercancel", end);
}
