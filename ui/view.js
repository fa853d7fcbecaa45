import { W } from "./words.js";
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (all, key) => (values && key in values ? values[key] : all));
export const ago = (at, now) => String(at || W.never);
export const diff = (old, next) => ({ old: String(old ?? ""), next: String(next ?? "") });
export const exact = (at) => String(at || "");
