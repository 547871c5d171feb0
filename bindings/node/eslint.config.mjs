import js from '@eslint/js'
import globals from 'globals'

export default [
  { ignores: ['npm/', 'docs/', 'node_modules/', 'bench/node_modules/'] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 'latest', globals: globals.node },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-await-in-loop': 'off',
      'no-constant-binary-expression': 'error',
      'no-implicit-globals': 'error',
      'no-promise-executor-return': 'error',
      'no-self-compare': 'error',
      'no-template-curly-in-string': 'error',
      'no-unused-private-class-members': 'error',
      'no-use-before-define': ['error', { functions: false, classes: false, variables: false }],
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
    },
  },
  { files: ['lib/**/*.js'], languageOptions: { sourceType: 'commonjs' } },
]
