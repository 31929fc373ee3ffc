import { posix } from 'node:path'
import ts from 'typescript'

/** One import, export-from, `import()`, `require()` or import type of a source file. */
export interface Import {
  readonly from: string
  readonly specifier: string
  readonly line: number
  /** Gone at run time. */
  readonly typeOnly: boolean
}

const onlyTypes = (clause: ts.ImportClause | undefined): boolean => {
  if (!clause) return false
  if (clause.isTypeOnly) return true
  const named = clause.namedBindings
  return !clause.name && !!named && ts.isNamedImports(named) && named.elements.length > 0 && named.elements.every((e) => e.isTypeOnly)
}

const called = (node: ts.CallExpression): boolean =>
  node.expression.kind === ts.SyntaxKind.ImportKeyword ||
  (ts.isIdentifier(node.expression) && node.expression.text === 'require') ||
  (ts.isPropertyAccessExpression(node.expression) && node.expression.getText() === 'require.resolve')

/** The module a node names, if it names one. */
function named(node: ts.Node): { module: ts.Node; typeOnly: boolean } | undefined {
  if (ts.isImportDeclaration(node)) return { module: node.moduleSpecifier, typeOnly: onlyTypes(node.importClause) }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier) return { module: node.moduleSpecifier, typeOnly: node.isTypeOnly }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return { module: node.argument.literal, typeOnly: true }
  if (ts.isExternalModuleReference(node)) return { module: node.expression, typeOnly: false }
  if (ts.isCallExpression(node) && called(node) && node.arguments[0]) return { module: node.arguments[0], typeOnly: false }
  return undefined
}

/** Every module that a source text names with a literal. */
export function importsOf(from: string, text: string): Import[] {
  const source = ts.createSourceFile(from, text, ts.ScriptTarget.ES2022, true)
  const found: Import[] = []
  const visit = (node: ts.Node): void => {
    const it = named(node)
    if (it && ts.isStringLiteralLike(it.module)) {
      const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1
      found.push({ from, specifier: it.module.text, line, typeOnly: it.typeOnly })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** The file a relative import means, among `files`; undefined for packages. */
export function target(i: Import, files: ReadonlySet<string>): string | undefined {
  if (!i.specifier.startsWith('.')) return undefined
  const path = posix.join(posix.dirname(i.from), i.specifier)
  return [path, `${path}.ts`, `${path}/index.ts`, path.replace(/\.js$/, '.ts')].find((p) => files.has(p)) ?? path
}

/** A cycle among `edges` as the list of its nodes, or undefined. */
export function findCycle(edges: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  const done = new Set<string>()
  const walk = (node: string, path: string[]): string[] | undefined => {
    const at = path.indexOf(node)
    if (at >= 0) return [...path.slice(at), node]
    if (done.has(node)) return undefined
    for (const next of edges.get(node) ?? []) {
      const cycle = walk(next, [...path, node])
      if (cycle) return cycle
    }
    done.add(node)
    return undefined
  }
  for (const node of edges.keys()) {
    const cycle = walk(node, [])
    if (cycle) return cycle
  }
  return undefined
}
