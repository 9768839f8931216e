"use strict";
// Filters, sorts and marks rows. Without it the page reads the same, with the rows of most loss in a table.
(() => {
  const by = id => document.getElementById(id);
  const block = by("data"), data = JSON.parse(block.textContent);
  const rows = data.id.length, language = block.dataset.language, AT_ONCE = 60;
  const has = { text: "text" in data, why: "why" in data, near: "near" in data, attention: "attention" in data };
  const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu;
  const visible = text => String(text).replace(UNSEEN, found => `⟨U+${found.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);

  function add(parent, tag, text, name) {
    const made = parent.appendChild(document.createElement(tag));
    if (text !== undefined) made.textContent = visible(text);
    if (name) made.className = name;
    return made;
  }

  function texts(parent, text, tag = "p", name = "text") {
    const made = add(parent, tag, text, name);
    made.dir = "auto";
    if (language) made.lang = language;
    return made;
  }

  // What is looked for in: texts and ids in small letters, once.
  const searched = data.id.map((id, row) =>
    `${id}\n${has.text ? data.text[row] : ""}\n${data.pair ? data.pair[row] : ""}`.toLowerCase());

  const output = () => data.outputs[Math.max(by("output").selectedIndex, 0)];
  const stage = () => Math.max(by("stage").selectedIndex, 0);
  const labelled = data.decides && !data.words;
  const named = name => name === "" ? "(none)" : name;
  const nameOf = number => named(output().names[number]);

  function same(one, other) {
    return data.words ? JSON.stringify(one) === JSON.stringify(other) : one === other;
  }

  const predicted = (row, of = stage()) => output().number[of][row] !== null;

  // Only of rows that the stage has predicted.
  function isRight(row, of = stage()) {
    const own = output();
    if (!data.decides) return own.losses[of][row] <= own.usual[of];
    return same(own.decided[of][row], own.label[row]);
  }

  function loss(row) {
    const own = output(), of = stage(), number = own.number[of][row];
    if (of === data.leading) return own.loss[row];
    if (number === null) return -1;
    return own.losses ? own.losses[of][row] : -Math.log(Math.max(number, 1e-5) / 1e4);
  }

  function disagree(row) {
    const own = output();
    if (!data.decides) return spread(row) > own.apart;
    const parts = own.decided.map(part => part[row]).filter(part => part !== null);
    return parts.some(part => !same(part, parts[0]));
  }

  function spread(row) {
    const numbers = output().number.map(part => part[row]).filter(number => number !== null);
    return Math.max(...numbers) - Math.min(...numbers);
  }

  for (const own of data.outputs) {  // of numbers: from where stages disagree
    if (data.decides) continue;
    const sorted = data.id.map((_, row) => {
      const numbers = own.number.map(part => part[row]).filter(number => number !== null);
      return Math.max(...numbers) - Math.min(...numbers);
    }).sort((a, b) => a - b);
    own.apart = sorted[Math.floor(0.9 * (sorted.length - 1))];
  }

  // Marks: by id, {drop: true, why} or {label: name, why}. They are kept where the browser lets a file keep something.
  const place = `marks of ${block.dataset.run}, ${data.rows}`;
  let marks = new Map();
  try { marks = new Map(JSON.parse(localStorage.getItem(place) || "[]")); } catch { /* not kept */ }

  function mark(row, value) {
    if (value) marks.set(data.id[row], { ...value, why: `label ${shownLabel(row)}, loss ${loss(row)}` }); else marks.delete(data.id[row]);
    try { localStorage.setItem(place, JSON.stringify([...marks])); } catch { /* not kept */ }
    counted();
  }

  function counted() {
    const dropped = [...marks.values()].filter(value => value.drop).length;
    by("marks").hidden = marks.size === 0;
    by("marked").textContent = `${dropped} marked to be dropped, ${marks.size - dropped} to be relabelled.`;
    by("save-drop").hidden = dropped === 0;
    by("save-relabel").hidden = dropped === marks.size;
  }

  function save(name, header, lines) {
    const quoted = value => `"${String(value).replaceAll('"', '""')}"`;
    const content = [header, ...lines].map(line => line.map(quoted).join(",")).join("\n") + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type: "text/csv" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  by("save-drop").addEventListener("click", () => save("drop.csv", ["id", "why"],
    [...marks].filter(([, value]) => value.drop).map(([id, value]) => [id, value.why])));
  by("save-relabel").addEventListener("click", () => save("relabel.csv", ["id", "label", "why"],
    [...marks].filter(([, value]) => !value.drop).map(([id, value]) => [id, value.label, value.why])));
  by("unmark").addEventListener("click", () => {
    marks.clear();
    try { localStorage.removeItem(place); } catch { /* not kept */ }
    counted();
    show();
  });

  function shownLabel(row) {
    const own = output();
    if (data.words) return own.label[row].map(([kind, first, last]) => `${own.names[kind]} ${first + 1}-${last + 1}`).join(", ") || "none";
    return data.decides ? nameOf(own.label[row]) : own.label[row];
  }

  // One row
  function entities(parent, row, spans, by, name) {
    add(parent, "p", by, "facts");
    const words = data.text[row].split(" "), line = texts(parent, undefined, "p"), joint = words.every(word => [...word].length === 1) ? "" : " ";
    let at = 0;
    for (const [kind, first, last] of [...spans].sort((a, b) => a[1] - b[1])) {
      if (first > at) line.append(visible(words.slice(at, first).join(joint)) + joint);
      const marked = add(line, "mark", words.slice(first, last + 1).join(joint), name);
      add(marked, "sub", output().names[kind]);
      line.append(joint);
      at = last + 1;
    }
    line.append(visible(words.slice(at).join(joint)));
  }

  function predictions(parent, row) {
    const own = output();
    data.stages.forEach((name, of) => {
      const number = own.number[of][row];
      parent.append(" · ", `${visible(name)} `);
      if (number === null) return parent.append("not predicted");
      if (labelled) add(parent, "span", nameOf(own.decided[of][row]), isRight(row, of) ? "fits" : "wrong");
      parent.append(labelled ? " " : "", data.values ? `(${number})` : `(${(number / 1e4).toFixed(3)})`);
    });
  }

  function pushes(parent, entries) {
    const largest = Math.max(...entries.flatMap(entry => entry.slice(3).filter((_, at) => at % 2).map(Math.abs)), 1);
    for (const entry of entries) {
      const [word, towards, instead] = entry, claims = output().claims;
      const to = data.outputs_pushed[towards] || claims || "more", rather = instead >= 0 && data.outputs_pushed[instead] ? ` rather than ${data.outputs_pushed[instead]}` : "";
      add(parent, "p", `${word >= 0 ? `Word ${word + 1}: t` : "T"}owards ${to}${rather}, where above 0:`, "small");
      for (let at = 3; at < entry.length; at += 2) {
        const line = add(parent, "div", undefined, "push");
        texts(line, data.grams[entry[at]], "span", "");
        add(line, "span", (entry[at + 1] / 100).toFixed(2));
        add(line, "i", undefined, entry[at + 1] < 0 ? "less" : "more").style.width = `${Math.round(100 * Math.abs(entry[at + 1]) / largest)}%`;
      }
    }
  }

  function looked(parent, row) {
    const [levels, given] = data.attention[row];
    const tokens = given || ["[CLS]", ...[...data.text[row]].slice(0, levels.length - 2), "[SEP]"], line = texts(parent, undefined, "p");
    [...levels].forEach((level, at) => {
      add(line, "span", tokens[at], "token").style.backgroundColor = `rgba(216, 116, 63, ${(0.5 * parseInt(level, 36) / 35).toFixed(2)})`;
    });
  }

  function explained(parent, row) {
    if (has.why) {
      add(parent, "h3", data.values && !data.decides ? "What pushed the tf-idf baseline" : "What pushed the tf-idf baseline, in logits");
      const entries = data.why[row].filter(entry => entry.length > 3);
      if (entries.length) pushes(parent, entries);
      else add(parent, "p", data.words ? "It is right about every word." : "It knows no n-gram of the text.", "small");
    }
    if (has.near) {
      add(parent, "h3", "The nearest training rows of other folds");
      const list = add(parent, "ul");
      for (const other of data.near[row]) {
        const line = add(list, "li"), further = other - rows;
        const label = further >= 0 ? data.others.label[further] : shownLabel(other);
        texts(line, further >= 0 ? data.others.text[further] : data.text[other] + (data.pair ? ` | ${data.pair[other]}` : ""), "span", "");
        line.append(` [${visible(label)}]`);
      }
      if (!data.near[row].length) add(list, "li", "none is like it");
    }
    if (has.attention) {
      add(parent, "h3", "Where the head's [CLS] attention looked (a picture, not a reason)");
      looked(parent, row);
    }
  }

  function item(row) {
    const made = document.createElement("li"), own = output();
    made.tabIndex = -1;
    made.dataset.row = row;
    if (marks.has(data.id[row])) made.className = "marked";
    if (has.text && data.words) {
      entities(made, row, own.label[row], "label", "");
      if (predicted(row) && !isRight(row)) entities(made, row, own.decided[stage()][row], data.stages[stage()], "said");
    } else if (has.text) {
      texts(made, data.text[row]);
      if (data.pair) texts(made, data.pair[row]);
    }
    const facts = add(made, "p", undefined, "facts");
    facts.append("label ");
    add(facts, "b", shownLabel(row));
    predictions(facts, row);
    facts.append(` · ${predicted(row) ? `loss ${Number(loss(row).toPrecision(4))} · ` : ""}fold ${data.fold[row]} · id `);
    add(facts, "bdi", data.id[row]);
    if (data.copies[row]) facts.append(` · ${data.copies[row]} more of this text`);
    if (data.test[row]) facts.append(" · also in test");
    if (data.suspect[row]) facts.append(" · suspect");
    if (data.source) facts.append(` · ${visible(data.source[row])}`);
    const actions = add(made, "div", undefined, "actions");
    if (has.why || has.near || has.attention) {
      const open = add(actions, "button", "why");
      open.type = "button";
      open.setAttribute("aria-label", `why, ${data.id[row]}`);
      open.setAttribute("aria-expanded", "false");
      open.addEventListener("click", () => {
        const shown = made.querySelector(".why");
        if (shown) shown.remove(); else explained(add(made, "div", undefined, "why"), row);
        open.setAttribute("aria-expanded", String(!shown));
      });
    }
    if (!data.marks) return made;
    const drop = add(actions, "button", "drop", "drop");
    drop.type = "button";
    drop.setAttribute("aria-label", `drop, ${data.id[row]}`);
    const marked = () => {
      const value = marks.get(data.id[row]);
      made.classList.toggle("marked", Boolean(value));
      drop.setAttribute("aria-pressed", String(Boolean(value && value.drop)));
      if (change) change.value = value && !value.drop ? `=${value.label}` : "";
    };
    drop.addEventListener("click", () => {
      const value = marks.get(data.id[row]);
      mark(row, value && value.drop ? null : { drop: true });
      marked();
    });
    let change = null;
    if (labelled && data.relabel && own.names.length <= 200) {
      change = add(actions, "select");
      change.setAttribute("aria-label", `another label for ${data.id[row]}`);
      add(change, "option", "relabel …").value = "";
      own.names.forEach((name, number) => {
        if (number !== own.label[row]) add(change, "option", named(name)).value = `=${name}`;
      });
      change.addEventListener("change", () => {
        mark(row, change.value ? { label: change.value.slice(1) } : null);
        marked();
      });
    }
    marked();
    return made;
  }

  // Filters
  const WHICH = {
    all: ["all", () => true], wrong: [!data.decides ? "the tenth with most loss" : "wrong", row => predicted(row) && !isRight(row)],
    right: [!data.decides ? "the others" : "right", row => predicted(row) && isRight(row)],
    disagree: ["stages disagree", disagree], suspect: ["suspect labels", row => data.suspect[row]],
    copies: ["repeated texts", row => data.copies[row] > 0], test: ["texts of test", row => data.test[row]],
    marked: ["marked", row => marks.has(data.id[row])],
  };
  const ORDER = {
    loss: ["most loss", (a, b) => b[1] - a[1] || a[0] - b[0], loss], least: ["least loss", (a, b) => a[1] - b[1] || a[0] - b[0], loss],
    spread: ["stages furthest apart", (a, b) => b[1] - a[1] || a[0] - b[0], spread], file: ["as in the file", (a, b) => a[0] - b[0], () => 0],
    long: ["longest", (a, b) => b[1] - a[1] || a[0] - b[0], row => data.length[row]],
    short: ["shortest", (a, b) => a[1] - b[1] || a[0] - b[0], row => data.length[row]],
  };
  const FIELDS = ["q", "output", "stage", "which", "label", "decided", "fold", "source", "from", "to", "order"];

  function options(id, pairs) {
    const list = by(id), before = list.value;
    list.replaceChildren();
    for (const [value, text] of pairs) add(list, "option", text).value = value;
    list.value = before;
    if (list.selectedIndex < 0) list.selectedIndex = 0;
  }

  function ofOutput() {
    for (const id of ["label", "decided"]) {
      by(id).value = "";
      options(id, [["", "any"], ...output().names.map(name => [`=${name}`, named(name)])]);
    }
  }

  function chosen() {
    const value = Object.fromEntries(FIELDS.map(id => [id, by(id).value])), own = output(), of = stage();
    const words = value.q.toLowerCase(), keep = WHICH[value.which][1];
    const from = value.from === "" ? 0 : Number(value.from), to = value.to === "" ? Infinity : Number(value.to);
    const [label, decided] = [value.label, value.decided].map(name => name === "" ? null : own.names.indexOf(name.slice(1)));
    const kinds = (spans, kind) => spans && spans.some(span => span[0] === kind);
    const [, compare, key] = ORDER[value.order], kept = [];
    for (let row = 0; row < rows; row++) {
      if (words && !searched[row].includes(words)) continue;
      if (value.fold !== "" && data.fold[row] !== Number(value.fold)) continue;
      if (value.source !== "" && data.source[row] !== value.source) continue;
      if (data.length[row] < from || data.length[row] > to) continue;
      if (label !== null && (data.words ? !kinds(own.label[row], label) : own.label[row] !== label)) continue;
      if (decided !== null && (data.words ? !kinds(own.decided[of][row], decided) : own.decided[of][row] !== decided)) continue;
      if (keep(row)) kept.push([row, key(row)]);
    }
    return kept.sort(compare).map(pair => pair[0]);
  }

  let kept = [], shown = 0;

  function show() {
    const began = performance.now();
    kept = chosen();
    shown = 0;
    by("list").replaceChildren();
    more();
    const judged = kept.filter(row => predicted(row)), right = judged.filter(row => isRight(row)).length;
    by("count").textContent = `${kept.length.toLocaleString("en")} rows` + (!data.decides || !judged.length ? "" : `, ${(100 * right / judged.length).toFixed(1)} % right by ${data.stages[stage()]}`);
    by("list").dataset.milliseconds = (performance.now() - began).toFixed(1);
    const state = new URLSearchParams(FIELDS.map(id => [id, by(id).value]).filter(([id, value]) => value !== by(id).dataset.usual));
    history.replaceState(null, "", state.size ? `#rows?${state}` : location.hash.startsWith("#rows?") ? "#rows" : location.hash || location.pathname);
  }

  function more() {
    const part = document.createDocumentFragment();
    for (const row of kept.slice(shown, shown + AT_ONCE)) part.append(item(row));
    by("list").append(part);
    shown = Math.min(shown + AT_ONCE, kept.length);
    by("more").hidden = shown >= kept.length;
  }

  // Set-up
  options("output", data.outputs.map(own => [own.name, own.name || "the label"]));
  options("stage", data.stages.map(name => [name, name]));
  options("which", Object.entries(WHICH).map(([key, [text]]) => [key, text]));
  options("order", Object.entries(ORDER).map(([key, [text]]) => [key, text]));
  options("fold", [["", "any"], ...[...new Set(data.fold)].sort((a, b) => a - b).map(fold => [fold, fold])]);
  options("source", [["", "any"], ...[...new Set(data.source || [])].sort().map(name => [name, name])]);
  by("stage").value = data.stages[data.leading];
  ofOutput();
  for (const id of FIELDS) by(id).dataset.usual = by(id).value;
  by("of-output").hidden = data.outputs.length === 1;
  by("of-source").hidden = !data.source;
  by("of-label").hidden = by("of-decided").hidden = !data.decides;
  by("static").remove();
  by("filters").hidden = by("keys").hidden = false;

  function restore() {
    if (!location.hash.startsWith("#rows?")) return;
    const state = new URLSearchParams(location.hash.slice(6));
    for (const id of FIELDS) {
      by(id).value = state.has(id) ? state.get(id) : by(id).dataset.usual;
      if (by(id).selectedIndex === -1) by(id).value = by(id).dataset.usual;  // a name that there is no longer
      if (id === "output") ofOutput();
    }
    by("rows").scrollIntoView();
  }
  restore();
  counted();
  show();
  by("list").dataset.ready = performance.now().toFixed(0);

  addEventListener("hashchange", () => {
    if (!location.hash.startsWith("#rows?")) return;
    restore();
    show();
  });
  let waiting = 0;
  by("filters").addEventListener("input", event => {
    if (event.target.id === "output") ofOutput();
    clearTimeout(waiting);
    waiting = setTimeout(show, event.target.id === "q" ? 80 : 0);
  });
  by("filters").addEventListener("submit", event => event.preventDefault());
  by("filters").addEventListener("reset", event => {
    event.preventDefault();
    for (const id of FIELDS) by(id).value = by(id).dataset.usual;
    ofOutput();
    show();
  });
  by("more").addEventListener("click", more);
  new IntersectionObserver(seenNow => { if (seenNow[0].isIntersecting && shown < kept.length) more(); }, { rootMargin: "600px" }).observe(by("more"));

  document.querySelectorAll(".confusion a").forEach(link => link.addEventListener("click", event => {
    event.preventDefault();
    for (const id of FIELDS) by(id).value = by(id).dataset.usual;
    by("output").selectedIndex = Number(link.closest("table").dataset.output);
    ofOutput();
    by("label").value = `=${link.dataset.label}`;
    by("decided").value = `=${link.dataset.decided}`;
    show();
    by("rows").scrollIntoView();
  }));

  document.querySelectorAll("table.sortable").forEach(table => table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending", value = line => line.cells[column].textContent;
      const number = text => Number(text.replace(/[,%]/g, "")), isEmpty = text => text === "–";
      const all = [...table.tBodies[0].rows], numeric = all.every(line => isEmpty(value(line)) || !Number.isNaN(number(value(line))));
      const lines = all.sort((a, b) => {
        const [one, other] = [value(a), value(b)];
        if (isEmpty(one) || isEmpty(other)) return isEmpty(one) - isEmpty(other);
        const order = numeric ? number(one) - number(other) : one.localeCompare(other);
        return down ? -order : order;
      });
      table.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      table.tBodies[0].append(...lines);
    });
  }));

  document.addEventListener("keydown", event => {
    const typing = document.activeElement.type !== "checkbox" && /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (event.ctrlKey || event.metaKey || event.altKey || !by("use-keys").checked) return;
    if (typing) { if (event.key === "Escape") document.activeElement.blur(); return; }
    const now = document.activeElement.closest("#list > li"), step = { j: 1, k: -1 }[event.key];
    if (event.key === "/") { event.preventDefault(); by("q").focus(); }
    if (step) {
      const next = now ? (step > 0 ? now.nextElementSibling : now.previousElementSibling) : by("list").firstElementChild;
      if (next) next.focus();
    }
    if (now && event.key === "o") now.querySelector("button[aria-expanded]")?.click();
    if (now && event.key === "x") now.querySelector("button.drop")?.click();
  });
})();
