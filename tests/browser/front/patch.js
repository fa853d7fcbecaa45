// Plugins may wrap named functions: all `before`, then the chain of `instead` or the original, then all `after`.
// Looked up at each call, so it does not matter who comes first; nothing is caught, as in Stash.
import React from "react";

const kinds = { before: {}, instead: {}, after: {} };

export const components = {};

function add(kind, name, fn) {
  (kinds[kind][name] = kinds[kind][name] || []).push(fn);
}

export const before = (name, fn) => add("before", name, fn);
export const instead = (name, fn) => add("instead", name, fn);
export const after = (name, fn) => add("after", name, fn);

export function patchable(name, original) {
  return function (...given) {
    let args = given;
    for (const fn of kinds.before[name] || []) {
      const found = fn(...args);
      if (!Array.isArray(found)) throw new TypeError(`before(${name}) must return an array of arguments`);
      args = found;
    }
    const chain = [...(kinds.instead[name] || [])];
    const next = (...here) => {
      const fn = chain.shift();
      return fn ? fn(...here, next) : original(...here);
    };
    let result = next(...args);
    for (const fn of kinds.after[name] || []) result = fn(...args, result);
    return result;
  };
}

export function component(name, original) {
  const made = patchable(name, original);
  made.displayName = name;
  components[name] = made;
  return made;
}

export const container = (name) => component(name, (props) => React.createElement(React.Fragment, null, props.children));
