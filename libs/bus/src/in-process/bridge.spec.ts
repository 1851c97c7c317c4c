import { fork } from 'node:child_process'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { systemClock } from '@signalbox/host'
import { eventually, manualClock } from '@signalbox/testing'
import { describeBus, type BusHarness } from '../bus.contract.ts'
import { BusUnavailable, REQUEST_DEADLINE_MS } from '../bus.ts'
import { TestLog } from '../test-log.harness.ts'
import { connectBridge, serveBridge } from './bridge.ts'
import { createHub, type Hub, type HubBus } from './hub.ts'
import { ipcPort, type Port } from './port.ts'

/** JSON both ways, as between processes: what does not survive it must not be sent. */
function threadPort(port: MessagePort): Port {
  return {
    postMessage: (value) => {
      port.postMessage(JSON.stringify(value))
      return true
    },
    onMessage: (listener) => {
      const take = (text: string) => listener(JSON.parse(text))
      port.on('message', take)
      return () => void port.off('message', take)
    },
    onClose: (listener) => {
      port.on('close', listener)
      return () => void port.off('close', listener)
    },
  }
}

describeBus('bridge', () => {
  const hub = createHub({ clock: systemClock, retention: { revisionsMax: 220 } })
  const clients: HubBus[] = []
  const ports: MessagePort[] = []
  const watched: Hub = {
    ...hub,
    connect: () => {
      const bus = hub.connect()
      clients.push(bus)
      return bus
    },
  }
  const harness: BusHarness = {
    connect: async () => {
      const { port1, port2 } = new MessageChannel()
      ports.push(port1)
      serveBridge(watched, threadPort(port1))
      const bus = connectBridge(threadPort(port2))
      await eventually(() => bus.connected())
      return bus
    },
    outage: ({ wipe }) => {
      for (const bus of clients) bus.setConnected(false)
      if (wipe) hub.wipe()
      return Promise.resolve(() => {
        for (const bus of clients) bus.setConnected(true)
        return Promise.resolve()
      })
    },
    keepLast: () => Promise.resolve(),
    stop: () => {
      for (const port of ports) port.close()
      return Promise.resolve()
    },
  }
  return Promise.resolve(harness)
})

describe('bridge', () => {
  it('takes the death of the other process for a lost connection', async () => {
    const { port1, port2 } = new MessageChannel()
    serveBridge(createHub({ clock: systemClock }), threadPort(port1))
    const bus = connectBridge(threadPort(port2))
    await eventually(() => bus.connected())
    const told = new Promise((resolve) => bus.onConnection(resolve))
    const waiting = expect(bus.latestManifest()).rejects.toBeInstanceOf(BusUnavailable)
    port1.close()
    expect(await told).toBe(false)
    await waiting
    await expect(bus.openStream(new TestLog())).rejects.toBeInstanceOf(BusUnavailable)
    await bus.close()
  })

  it('gives up a request at its deadline, and at once one that is not taken', async () => {
    const clock = manualClock()
    let full = false
    let hear: (value: unknown) => void = () => {}
    const port: Port = {
      postMessage: () => !full,
      onMessage: (listener) => {
        hear = listener
        return () => {}
      },
      onClose: () => () => {},
    }
    const bus = connectBridge(port, clock)
    hear({ bus: 'connected', connected: true })
    hear({ other: 'message' })
    hear('text')
    const late = expect(bus.revisions({ from: 1, to: 1 })).rejects.toThrow('no answer within')
    clock.advance(REQUEST_DEADLINE_MS)
    await late
    full = true
    await expect(bus.revisions({ from: 1, to: 1 })).rejects.toThrow('does not read')
    expect(clock.pending()).toBe(0)
  })

  it('sheds and counts what a child does not take in time', async () => {
    const hub = createHub({ clock: manualClock() })
    let hear: (value: unknown) => void = () => {}
    const bridge = serveBridge(hub, {
      postMessage: () => false,
      onMessage: (listener) => {
        hear = listener
        return () => {}
      },
      onClose: () => () => {},
    })
    hear({ bus: 'hear', lane: 'beacon', on: true })
    const bus = hub.connect()
    bus.publishBeacon(new TestLog().head)
    await bus.latestManifest()
    expect(bridge.shed()).toBe(1)
    bridge.stop()
    bus.publishBeacon(new TestLog().head)
    await bus.latestManifest()
    expect(bridge.shed()).toBe(1)
  })
})

describe('ipcPort', () => {
  it('carries messages to a forked process and back, and tells its end', async () => {
    const child = fork('-e', ['process.on("message", (m) => process.send({ echo: m }))'], {
      execPath: process.execPath,
      execArgv: [],
    })
    const port = ipcPort(child)
    const heard: unknown[] = []
    const unsubscribe = port.onMessage((value) => heard.push(value))
    const closed = new Promise<void>((resolve) => port.onClose(resolve))
    expect(port.postMessage({ n: 1 })).toBe(true)
    await eventually(() => heard.length === 1)
    expect(heard).toEqual([{ echo: { n: 1 } }])
    unsubscribe()
    child.kill()
    await closed
    expect(port.postMessage({ n: 2 })).toBe(false)
  })

  it('takes no more than so many messages that the other side has not read', () => {
    const sent: unknown[] = []
    const done: (() => void)[] = []
    const port = ipcPort({
      connected: true,
      send: (message, onSent) => {
        done.push(() => onSent(null))
        return sent.push(message) < 10
      },
      on: () => {},
      off: () => {},
    })
    let taken = 0
    while (port.postMessage({ n: taken })) taken += 1
    expect(sent.length).toBe(taken)
    done[0]?.()
    expect(port.postMessage({})).toBe(true)
    expect(port.postMessage({})).toBe(false)
  })
})
