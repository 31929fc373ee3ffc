import { describeIf, requires } from '../lib/requires'
import { Dice, images } from './lib'
import { recipes } from './recipes'
import { Rounds } from './rounds'


/** Rounds of each recipe. TCMU_QCOW_ROUNDS=500 is the long run. */
const ROUNDS = Number(process.env['TCMU_QCOW_ROUNDS'] ?? 40)
const SEED = Number(process.env['TCMU_QCOW_SEED'] ?? 1)

describeIf(requires.command('qemu-img', 'qemu-utils'), 'written by us and by QEMU in turn', () => {
  const at = images()

  test.each(recipes.map((r) => [r.name, r] as const))('%s', async (_name, recipe) => {
    const dice = new Dice(SEED)
    const made = await recipe.make(at, dice)
    const rounds = new Rounds(at, recipe, made, dice)
    await rounds.run(ROUNDS)
    await at.verify(made.path, made.format, made.model)
  })
})
