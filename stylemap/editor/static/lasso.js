/** A polygon as it is drawn: in one drag, or corner by corner. */

const REACH = 12; // CSS pixels: a press that moves less is a click, and one so near to the first corner closes

export class Lasso {
  #press = null; // {at, closes, before: how many corners there were, moved}

  /** @param {boolean} erase whether its inside is taken away @param {object} picture that it is drawn on */
  constructor(erase, picture) {
    Object.assign(this, { erase, picture, points: [] });
  }

  /** @param {number} pixel CSS pixels of one of the picture's */
  press(at, pixel) {
    const closes = this.points.length > 2 && distance(at, this.points[0]) * pixel < REACH;
    this.#press = { at, closes, before: this.points.length, moved: false };
    if (!closes) this.points.push(at);
  }

  drag(points, pixel) {
    const press = this.#press;
    press.moved ||= distance(points.at(-1), press.at) * pixel >= REACH;
    if (press.moved) this.points.push(...points);
  }

  /** Whether this press has closed it: it came back to the first corner, or drew all of it. */
  release() {
    const { closes, before, moved } = this.#press;
    return closes || (before === 0 && moved);
  }

  /** Takes back what was drawn since the last press; answers whether a corner is left. */
  cancel() {
    this.points.length = Math.min(this.points.length, this.#press.before);
    return this.points.length > 0;
  }

  /** Takes the last corner back; answers whether one is left. */
  back() {
    this.points.pop();
    return this.points.length > 0;
  }

  /** @param {{x: number, y: number} | null} cursor where the next corner would be */
  draw(context, scale, cursor) {
    const path = new Path2D();
    for (const { x, y } of [...this.points, cursor ?? []].flat()) path.lineTo(x * scale, y * scale);
    const [{ x, y }] = this.points;
    path.moveTo(x * scale + 4, y * scale);
    path.arc(x * scale, y * scale, 4, 0, 2 * Math.PI);
    for (const [colour, width] of [["rgb(0 0 0 / 60%)", 3.5], ["#fff", 1.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.stroke(path);
    }
  }
}

const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);
