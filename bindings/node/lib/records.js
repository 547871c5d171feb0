'use strict'
// Lists of records, page by page.

/** A question for records: awaited for all, or iterated. */
class Records {
  #list
  #signal

  constructor(list, { signal } = {}) {
    this.#list = list
    this.#signal = signal
  }

  async *pages() {
    let page = {}
    for (;;) {
      const { items, next, through } = await this.#list(page, { signal: this.#signal })
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

  async count() {
    const { total } = await this.#list({ limit: 1 }, { signal: this.#signal })
    return total
  }

  then(resolve, reject) {
    return this.toArray().then(resolve, reject)
  }
}

module.exports = { Records }
