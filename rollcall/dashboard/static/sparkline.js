// A sparkline: the last hour, one mean for each minute, 0 to 100. Where nothing came, nothing is drawn.

const MINUTES = 60;
const WIDTH = 120;
const HEIGHT = 24;

/** Draw points (null: nothing recorded; the last is the newest whole minute) into a canvas, in the colour of its text. */
export function draw(canvas, points) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth || WIDTH;
  canvas.width = width * scale;
  canvas.height = HEIGHT * scale;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  context.strokeStyle = getComputedStyle(canvas).color;
  context.fillStyle = context.strokeStyle;
  context.lineWidth = 1.5;
  const step = width / MINUTES;
  const first = MINUTES - points.length;
  let drawing = false;
  context.beginPath();
  points.forEach((point, index) => {
    if (point === null) {
      drawing = false;
      return;
    }
    const x = (first + index + 0.5) * step;
    const y = HEIGHT - 1 - (Math.min(100, Math.max(0, point)) / 100) * (HEIGHT - 2);
    if (!drawing) context.moveTo(x - step, y);
    context.lineTo(x, y);
    drawing = true;
  });
  context.stroke();
}

/** Say in words what the line shows. */
export function inWords(points) {
  const known = points.filter((point) => point !== null);
  if (known.length === 0) return "nothing yet in this hour";
  const mean = known.reduce((sum, point) => sum + point, 0) / known.length;
  return `last hour: mean ${mean.toFixed(0)} %, highest minute ${Math.max(...known).toFixed(0)} %`;
}
