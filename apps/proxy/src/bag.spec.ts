import { Bag } from './bag.ts'

const items = (count: number) => Array.from({ length: count }, (_, name) => ({ name, place: -1 }))

describe('a bag', () => {
  it('holds what was added and not removed, in whatever order they go', () => {
    const bag = new Bag<{ name: number; place: number }>()
    const all = items(9)
    for (const item of all) bag.add(item)
    for (const name of [8, 0, 4, 3]) bag.remove(all[name]!)
    expect(bag.all().map(({ name }) => name)).toEqual(expect.arrayContaining([1, 2, 5, 6, 7]))
    expect(bag.size).toBe(5)
    for (const item of bag.all()) bag.remove(item)
    expect([bag.size, bag.take()]).toEqual([0, undefined])
    expect(all.every(({ place }) => place === -1)).toBe(true)
  })

  it('leaves alone who is not in it, twice removed or never added', () => {
    const bag = new Bag<{ name: number; place: number }>()
    const [one, two, stranger] = items(3)
    bag.add(one!)
    bag.add(two!)
    bag.remove(stranger!)
    bag.remove(one!)
    bag.remove(one!)
    bag.remove({ name: 7, place: 0 })
    expect(bag.all()).toEqual([two])
  })

  it('gives out each once', () => {
    const bag = new Bag<{ name: number; place: number }>()
    for (const item of items(5)) bag.add(item)
    const taken = new Set<number>()
    for (let one = bag.take(); one; one = bag.take()) taken.add(one.name)
    expect(taken).toEqual(new Set([0, 1, 2, 3, 4]))
  })
})
