/* Options under a field, by the pattern of a combobox: the focus stays in the field, where typing goes on, and
   aria-activedescendant says at which option the keys are. */

const groupOf = (option) => option.closest("[role=group]");

export const wordsOf = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

// A name that begins so comes first, then one with such a word, a description that begins so, one with such words, and
// last a part of a word: for "end", End the run comes before Send.
export const rankByName = (option, words) => {
  const { name, more } = option.dataset;
  if (!words.every((word) => name.includes(word) || more.includes(word))) return 0;
  const phrase = words.join(" ");
  const begin = (text) => words.every((word) => text.split(/[^\p{L}\p{N}]+/u).some((part) => part.startsWith(word)));
  if (words.every((word) => name.includes(word))) {
    if (name.startsWith(phrase) || (words.length > 1 && name.includes(`: ${phrase}`))) return 6;
    if (name.startsWith(words[0])) return 5;
    if (begin(name)) return 4;
  }
  if (more.startsWith(phrase)) return 3;
  return begin(`${name} ${more}`) ? 2 : 1;
};

// `choose` takes an option, `close` is what Escape does, `rank` says how well an option fits words (0: not at all), and
// `takesFirst` whether Enter takes the first option while the keys are at none. With `ask`, the server says for a text
// how well options fit: it answers a function as `rank`, or null where it cannot be reached.
export const listbox = (list, { choose, close, rank = rankByName, takesFirst = () => true, ask = null }) => {
  let field = null, active = null;
  let asked = null; // the options or the question that are not answered yet
  let isLoading = false; // whether the options themselves are still to come
  let held = []; // keys that wait for the answer
  let homes = []; // what is searched, each with its group, in the order of the page

  const options = () => [...list.querySelectorAll("[role=option]")];
  const shown = () => options().filter((option) => option.checkVisibility());

  const point = (option) => {
    active?.setAttribute("aria-selected", "false");
    active = option ?? null;
    if (!option) { field.removeAttribute("aria-activedescendant"); return; }
    option.id ||= `${list.id}-${options().indexOf(option)}`;
    option.setAttribute("aria-selected", "true");
    field.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  };

  // What fits the words, the best first: in a group of its own where the list has one.
  const narrow = (text, fits = rank) => {
    const words = wordsOf(text);
    const found = words.length ? list.querySelector("[data-found]") : null;
    const scores = new Map(homes.map(([option]) => [option, words.length ? fits(option, words) : 1]));
    homes.forEach(([option]) => { option.hidden = !scores.get(option); });
    for (const [option, home] of homes.toSorted(([first], [second]) => scores.get(second) - scores.get(first))) {
      (found && !option.hidden ? found : home).append(option);
    }
    for (const group of list.querySelectorAll("[role=group], [data-unsearched]")) {
      group.hidden = found ? group !== found : group.matches("[data-found]");
    }
    const none = (list.closest("dialog") ?? list).querySelector("[data-none]");
    if (none) none.hidden = homes.some(([option]) => !option.hidden);
    list.scrollTop = 0;
    point(null);
  };

  // Whether the key does something here.
  const press = (key) => {
    const all = shown(), at = all.indexOf(active), last = all.length - 1;
    // Where groups begin: Page Down and Page Up go from one to the next.
    const begins = all.flatMap((each, index) => (index && groupOf(each) === groupOf(all[index - 1]) ? [] : [index]));
    const pages = begins.length > 1 && {
      PageDown: begins.find((index) => index > at) ?? last,
      PageUp: begins.findLast((index) => index < at) ?? 0,
    };
    const to = {
      ArrowDown: Math.min(at + 1, last), ArrowUp: at - 1, ...(active && { Home: 0, End: last }), ...pages,
    }[key];
    const taken = active ?? (takesFirst(field) ? all[0] : null);
    if (to !== undefined) point(all[to]);
    else if (key === "Enter" && taken) choose(taken);
    else return false;
    return true;
  };
  const hear = (event) => {
    if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape") { event.stopPropagation(); close(); }
    else if (asked ? !hold(event.key) : !press(event.key)) return;
    event.preventDefault();
  };
  // Until the server has answered for the text in the field, the options are those of another text: keys wait for it.
  const hold = (key) => {
    if (!["ArrowDown", "ArrowUp"].includes(key) && !(key === "Enter" && (held.length || takesFirst(field)))) return false;
    if (!held.includes("Enter")) held.push(key);
    asked.then(() => { if (!asked) held.splice(0).forEach(press); });
    return true;
  };
  const search = () => {
    held = [];
    if (isLoading) return; // whoever loads them narrows them
    const text = field.value, answered = ask && wordsOf(text).length ? ask(text) : null;
    if (!answered) { asked = null; narrow(text); return; }
    point(null);
    const mine = answered.then((fits) => { if (asked === mine) { asked = null; narrow(text, fits ?? rank); } });
    asked = mine;
  };

  list.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) choose(option);
  });

  return {
    point,
    narrow,
    options,
    shown,
    // The options of the page are those of this field, or come with what `loading` waits for: then it is attached again.
    attach: (to, loading = null) => {
      field = to;
      active = null;
      asked = loading;
      isLoading = Boolean(loading);
      homes = options().filter((option) => !option.closest("[data-unsearched]")).map((option) => [option, option.parentElement]);
      field.setAttribute("aria-expanded", "true");
      field.addEventListener("keydown", hear);
      field.addEventListener("input", search);
    },
    detach: () => {
      point(null);
      asked = null;
      held = [];
      field.setAttribute("aria-expanded", "false");
      field.removeEventListener("keydown", hear);
      field.removeEventListener("input", search);
    },
  };
};
