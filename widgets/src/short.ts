/**
 * Functions of the language that need no `this`, under names that the build can shorten: it puts these in the place of
 * every `Math.max` and the like (`inject` in build.mjs). No module imports this one.
 */

const { abs, ceil, exp, floor, hypot, log, log10, log2, max, min, round, sign, sqrt } = Math;
const { isFinite: finite, isNaN: none } = Number;
const { entries, fromEntries } = Object;
const { from } = Array;
const { stringify } = JSON;

export {
  abs as "Math.abs",
  ceil as "Math.ceil",
  entries as "Object.entries",
  exp as "Math.exp",
  finite as "Number.isFinite",
  floor as "Math.floor",
  from as "Array.from",
  fromEntries as "Object.fromEntries",
  hypot as "Math.hypot",
  log as "Math.log",
  log2 as "Math.log2",
  log10 as "Math.log10",
  max as "Math.max",
  min as "Math.min",
  none as "Number.isNaN",
  round as "Math.round",
  sign as "Math.sign",
  sqrt as "Math.sqrt",
  stringify as "JSON.stringify",
};
