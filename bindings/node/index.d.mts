export * from './index.js'
import * as peergraph from './index.js'
export default peergraph
