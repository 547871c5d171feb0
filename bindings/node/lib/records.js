'use strict'
// Lists that come page by page: of records, of conflicts.

/** A question: awaited for all, or iterated. */
class Pages {
  #list
  #signal

  constructor(list, { signal } = {}) {
    this.#list = list
    this.#signal = signal
  }

  /** One page. @internal */
  static ask(pages, page) {
    return pages.#list(page, { signal: pages.#signal })
  }

  async *pages() {
    let page = {}
    for (;;) {
      const { items, next, through } = await Pages.ask(this, page)
      if (items.length > 0) yield items
      if (next === null) return
      page = { after: next, through }
    }
  }

  async *[Symbol.asyncIterator]() {
    for await (const page of this.pages()) yield* page
  }

  async toArray() {
    const all = []
    for await (const page of this.pages()) all.push(...page)
    return all
  }

  then(resolve, reject) {
    return this.toArray().then(resolve, reject)
  }
}

class Records extends Pages {
  async count() {
    const { total } = await Pages.ask(this, { limit: 1, count: true })
    return total
  }
}

module.exports = { Pages, Records }
