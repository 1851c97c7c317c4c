import { type Result } from '@signalbox/model'
import { type Call, type ChatCodec, type ReadRequest } from '../codec.ts'
import { compact, Fields, Notes, type Problem, refuse, translating } from '../fields.ts'
import { chat } from './codec.ts'
import { withImages } from './read-messages.ts'
import { readSettings } from './read-request.ts'
import { textOf, wholeAnswer } from './response.ts'
import { LineWriter, type Say } from './stream-writer.ts'

/** A body of /api/generate as the hub's request: a chat of one question. */
function readRequest(body: unknown, call: Call): Result<ReadRequest, Problem> {
  return translating(() => {
    const notes = new Notes(call)
    const fields = new Fields(body, '', notes)
    const model = fields.need('model', fields.string('model'))
    const content = withImages(fields, fields.string('prompt') ?? '')
    // Without a prompt it asks a server to load the model, or to let go of it.
    if (content === '') refuse('prompt', 'is missing')
    const system = fields.string('system')
    const messages = [
      ...(system ? [{ role: 'system', content: system }] : []),
      { role: 'user', content },
    ]
    const settings = readSettings(fields)
    fields.unsupported(['suffix', 'template', 'context', 'raw'], (value) => value === '' || !value)
    fields.end()
    return { chat: { model, messages, ...settings }, dropped: notes.dropped }
  })
}

const sayResponse: Say = ({ text, thinking }) => compact({ response: text, thinking })

/** Asked for by clients alone: no backend is asked in this form. */
export const generate: ChatCodec = {
  ...chat,
  readRequest,
  writeAnswer: (answer) =>
    wholeAnswer(answer, (message) =>
      compact({ response: textOf(message), thinking: message.reasoning_content }),
    ),
  streamWriter: (context) => new LineWriter(context, sayResponse),
}
