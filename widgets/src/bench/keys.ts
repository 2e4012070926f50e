/** What the keys and gestures of a bench do, as the dialog lists them. */

import type { Listed } from "../ui/shortcuts";

export const KEYS: Listed = [
  ["Left, Right on a tab", "adaptation, receptive field, output curve"],
  ["Arrows", "move the centre of the focused Gaussian, or change the focused width"],
  ["Shift + arrows", "the same in big steps"],
  ["+ / −, wheel", "weight of the selected Gaussian"],
  ["Tab", "next handle: centre, width in frequency, width in time"],
  ["A, Insert", "add a Gaussian; double-click the picture to add one there"],
  ["D", "duplicate the selected Gaussians"],
  ["Backspace", "remove the selected Gaussians"],
  ["Delete, double-click on it", "back to the trained values"],
  ["Shift + click or space", "select one more or one less; drag a box around several, Ctrl + A for all"],
  ["P", "pin the selected Gaussian: Play leaves it alone; again lets go of it"],
  ["Escape", "cancel the running drag, then select nothing"],
  [
    "Adaptation",
    "1 to 4 which curve, D C B S drag, shift, brush, smooth, [ ] width of the brush, arrows band and value",
  ],
  [
    "Free receptive field",
    "A D S E add, subtract, smooth, erase, [ ] width of the brush, arrows the cell, + − 0 Delete its weight",
  ],
  ["Profiles", "arrows along the curve choose a place, across it change the value, [ ] width of the brush"],
  ["Space (on the sound)", "play what is on screen, stop"],
  [
    "Click or Enter (on the response)",
    "pin a moment and show what it is made of; arrows move it, with Shift farther, Escape lets go",
  ],
  ["Ctrl + Z", "undo"],
  ["Ctrl + Shift + Z, Ctrl + Y", "redo"],
  ["T (hold)", "show the trained values"],
  ["Ctrl + wheel", "zoom in time; drag to pan; 0 shows the whole sound"],
  ["?", "this list"],
];
