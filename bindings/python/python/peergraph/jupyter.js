// Shows what peergraph/jupyter.py tells. All text comes from strangers, so it goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const SIZE = { width: 420, height: 320, middle: [210, 155], radius: 115 };

function make(name, attributes = {}, ...inside) {
  const element = ["svg", "line", "circle", "text", "g", "title"].includes(name)
    ? document.createElementNS(SVG, name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...inside);
  return element;
}

// This node in the middle, the others around it, always in the same order so that nothing jumps.
export function places(nodes) {
  const found = new Map();
  const others = nodes.filter((node) => !node.own).map((node) => node.id).sort();
  const [x, y] = SIZE.middle;
  for (const node of nodes) if (node.own) found.set(node.id, [x, y]);
  others.forEach((id, at) => {
    const angle = (2 * Math.PI * at) / others.length - Math.PI / 7;
    found.set(id, [x + SIZE.radius * Math.cos(angle) * 1.35, y + SIZE.radius * Math.sin(angle)]);
  });
  return found;
}

const short = (text) => (text.length > 16 ? `${text.slice(0, 15)}…` : text);

function picture({ nodes = [], links = [] }) {
  const where = places(nodes);
  const own = nodes.find((node) => node.own);
  const svg = make("svg", { viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, width: SIZE.width, height: SIZE.height });
  for (const { to, ms } of links) {
    if (!own || !where.has(to)) continue;
    const [[x1, y1], [x2, y2]] = [where.get(own.id), where.get(to)];
    svg.append(make("line", { x1, y1, x2, y2, stroke: "#999", "stroke-width": 2 }));
    if (ms !== null) {
      const at = { x: (x1 + x2) / 2, y: (y1 + y2) / 2 - 4, "text-anchor": "middle", "font-size": 10, fill: "#777" };
      svg.append(make("text", at, `${ms} ms`));
    }
  }
  for (const node of nodes) {
    const [cx, cy] = where.get(node.id);
    const fill = node.own ? "#d95f02" : "#4a90c2";
    const circle = make("circle", { cx, cy, r: node.own ? 13 : 10, fill }, make("title", {}, node.id));
    const label = { x: cx, y: cy + 26, "text-anchor": "middle", "font-size": 12, fill: "currentColor" };
    // A light edge keeps a name readable where a link runs through it.
    const edge = { stroke: "var(--jp-layout-color0, white)", "stroke-width": 4, "paint-order": "stroke" };
    svg.append(make("g", {}, circle, make("text", { ...label, ...edge }, short(node.name))));
  }
  return svg;
}

function members(all = []) {
  const list = make("ul", { style: "list-style: none; margin: 0; padding: 0" });
  for (const { name, role, here } of all) {
    const dot = make("span", { style: `color: ${here ? "#2a9d4a" : "#bbb"}` }, here ? "● " : "○ ");
    const about = make("span", { style: "color: #888" }, ` ${role}${here ? "" : ", away"}`);
    list.append(make("li", {}, dot, name, about));
  }
  return list;
}

function events(all = []) {
  const style = "max-height: 220px; overflow-y: auto; font: 12px/1.5 monospace; overflow-wrap: anywhere";
  const log = make("div", { style, role: "log" });
  for (const { at, kind, text } of [...all].reverse()) {
    log.append(make("div", {}, make("span", { style: "color: #888" }, `${at} `), make("b", {}, kind), ` ${text}`));
  }
  return log;
}

// How far the records that are missing here are on their way; without a number the bar says that something is.
function progress({ done, all, text }) {
  const bar = make("progress", { style: "width: 20em", ...(all > 0 && { value: done, max: all }) });
  return make("div", {}, bar, make("span", { style: "color: #888" }, ` ${text}`));
}

function render({ model, el }) {
  const heading = (text) => make("div", { style: "font-weight: 600; margin: 4px 0" }, text);
  const draw = () => {
    const state = model.get("state");
    const title = make("div", { style: "font-weight: 600; font-size: 15px" }, state.title ?? "");
    title.append(make("span", { style: "font-weight: 400; color: #888" }, `  ${state.status ?? ""}`));
    if (state.progress) title.append(progress(state.progress));
    const side = make("div", { style: "flex: 1; min-width: 240px" });
    if (state.members?.length) side.append(heading(`Members (${state.members.length})`), members(state.members));
    side.append(heading("Events"), events(state.events));
    const columns = make("div", { style: "display: flex; flex-wrap: wrap; gap: 16px" }, picture(state), side);
    el.replaceChildren(title, columns);
  };
  model.on("change:state", draw);
  draw();
  return () => model.off("change:state", draw);
}

export default { render };
