// What the server told us, and what time it is there.

export class State {
  constructor() {
    this.nodes = new Map();
    this.trends = new Map();
    this.around = null;
    this.offset = null;
    this.frozen = null;
  }

  /** The server's time now, in Unix seconds: every age counts from it; in the past it stands still. */
  get now() {
    if (this.frozen !== null) return this.frozen;
    return this.offset === null ? Date.now() / 1000 : this.offset + performance.now() / 1000;
  }

  /** Take in a frame; give the names of the nodes that changed. */
  take(name, frame) {
    if (this.frozen === null) this.offset = frame.time - performance.now() / 1000;
    if (name === "snapshot") {
      this.nodes.clear();
      this.trends.clear();
      }
    for (const node of frame.nodes ?? []) this.nodes.set(node.name, node);
    for (const gone of frame.gone ?? []) {
      this.nodes.delete(gone);
      this.trends.delete(gone);
    }
    for (const [node, points] of Object.entries(frame.trends ?? {})) this.trends.set(node, points);
    if (frame.around) this.around = frame.around;
  }

  /** All that was taken, as a snapshot for another page; null before there is anything. */
  whole() {
    if (this.around === null) return null;
    const trends = Object.fromEntries(this.trends);
    return { time: this.now, nodes: [...this.nodes.values()], trends, around: this.around };
  }

  /** The nodes as the server orders them: worst first, then newest change, then name. */
  worstFirst() {
    return [...this.nodes.values()].sort(
      (a, b) => a.rank - b.rank || (b.since ?? 0) - (a.since ?? 0) || (a.name < b.name ? -1 : 1),
    );
  }
}
