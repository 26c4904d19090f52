// The gallery of report.html: one frame at a time, two of its pictures on top of each other. Without a script all frames are shown.
"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const frames = [...document.querySelectorAll("#gallery .four")];
  const kinds = [...frames[0].querySelectorAll("img")].map((image) => image.dataset.kind);
  const sides = [[by("left"), by("under")], [by("right"), by("over")]];
  for (const [select] of sides) select.append(...kinds.map((kind) => new Option(kind)));
  by("left").value = "Image";
  by("right").value = "Mask";
  for (const id of ["controls", "sides", "stage"]) by(id).hidden = false;

  const show = () => {
    const place = Number(by("frame").value);
    const frame = frames[place - 1];
    frames.forEach((each) => { each.hidden = each !== frame; });
    const name = `${place} of ${frames.length}: ${frame.dataset.name}`;
    by("which").textContent = name;
    by("frame").setAttribute("aria-valuetext", name);
    for (const [select, target] of sides) {
      const source = [...frame.querySelectorAll("img")].find((image) => image.dataset.kind === select.value);
      target.src = source.src;
      target.alt = source.alt;
    }
  };
  const divide = () => {
    const percent = by("divider").value;
    by("stage").style.setProperty("--wipe", `${percent}%`);
    by("divider").setAttribute("aria-valuetext", `${percent} per cent from the left`);
  };
  by("frame").addEventListener("input", show);
  by("divider").addEventListener("input", divide);
  for (const [select] of sides) select.addEventListener("change", show);
  show();
  divide();
})();
