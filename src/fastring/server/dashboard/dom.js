// The few things every room does to the page. Text is always text: nothing here takes markup.

export const find = (id) => document.getElementById(id);

/** Write only what is new: the page need not be laid out again for a figure that stayed. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** An element with a class and children (texts or elements). */
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** Keep the last so many children. */
export function cap(list, count) {
  while (list.children.length > count) list.firstElementChild.remove();
}
